//! The categories that come with wf, and what each kind of step may leave unwatched. Pure.
//!
//! The last rule that matches a path wins, so the order below goes from the general to the special. A path that none
//! matches is in no category, and nothing ever ignores it. Changing any of this changes what recorded passes mean:
//! raise `event::SEMANTICS`.

use super::model::{Category, CategoryRule, Kind, Paths};
use crate::base::{GlobSet, RepoPath};
use std::sync::{Arc, LazyLock};

/// Category and globs, in order.
///
/// `docs` is what kinds ignore by default, so it must hold nothing that is compiled, run or tested: no text below
/// folders of sources, templates or fixtures, and in `docs/` only formats that nothing executes.
pub const CATEGORIES: &[(&str, &[&str])] = &[
    (
        "docs",
        &[
            "**/*.{md,markdown,rst,adoc,asciidoc}",
            "{doc,docs}/**/*.{txt,png,jpg,jpeg,gif,svg,webp,pdf,drawio,puml}",
            "**/{LICENSE,LICENCE,COPYING,NOTICE,AUTHORS,CONTRIBUTORS,MAINTAINERS,CHANGELOG,CHANGES,README}",
            "**/{LICENSE,LICENCE,COPYING,CHANGELOG,CHANGES,README}{-*,.txt}",
            "!**/{src,lib,app,apps,pkg,internal,cmd,template,templates,prompts,testdata,fixtures,snapshots,content,posts,pages}/**",
        ],
    ),
    (
        "assets",
        &[
            "**/*.{png,jpg,jpeg,gif,svg,webp,avif,ico,bmp,tiff}",
            "**/*.{woff,woff2,ttf,otf,eot}",
            "**/*.{mp3,mp4,ogg,wav,flac,webm,mov,avi}",
            "!{doc,docs}/**",
        ],
    ),
    (
        "config",
        &[
            "**/*.{json,json5,jsonc,yaml,yml,toml,ini,cfg,conf,properties,env}",
            "**/.env",
            "**/.env.*",
            "**/.{editorconfig,gitattributes,gitignore,dockerignore,npmrc,nvmrc,node-version,python-version,tool-versions}",
            "**/.{eslintrc,prettierrc,stylelintrc,babelrc}*",
            "**/{eslint,prettier,vite,vitest,webpack,rollup,babel,jest,tailwind,postcss,next,nuxt,svelte}.config.{js,cjs,mjs,ts,mts,cts}",
            "**/{Dockerfile,Containerfile}*",
            "**/*.{dockerfile,tf,tfvars,hcl,nix}",
            "**/.cargo/config*",
            "**/rust-toolchain*",
        ],
    ),
    (
        "code",
        &[
            "**/*.{rs,c,h,cc,cpp,cxx,hh,hpp,hxx,ixx,cu,m,mm,swift,zig,d,nim,v,odin,asm,s,S,ld}",
            "**/*.{go,java,kt,kts,scala,sc,groovy,clj,cljs,cljc,cs,fs,fsx,vb}",
            "**/*.{py,pyi,pyx,pxd,ipynb,rb,rake,erb,php,pl,pm,lua,r,R,jl,tcl}",
            "**/*.{js,jsx,mjs,cjs,ts,tsx,mts,cts,vue,svelte,astro,mdx,wasm,wat}",
            "**/*.{html,htm,css,scss,sass,less,styl,hbs,ejs,pug,jinja,j2,tera,liquid}",
            "**/*.{ex,exs,erl,hrl,hs,lhs,ml,mli,elm,dart,cr,sol,move,cairo,gleam,purs,rkt,scm,el,lisp,f,f90,f95,pas,adb,ads}",
            "**/*.{proto,graphql,gql,thrift,capnp,fbs,avsc,sql,prisma,y,l,lalrpop,pest,g4,peg}",
            "**/*.{cmake,bzl,bazel,gradle,sbt}",
            "**/{CMakeLists.txt,BUILD,WORKSPACE,meson.build,Rakefile,build.rs}",
        ],
    ),
    (
        "scripts",
        &[
            "**/*.{sh,bash,zsh,fish,ksh,ps1,psm1,bat,cmd,awk,sed}",
            "{script,scripts,tools,bin,hack}/**",
            "**/{Makefile,GNUmakefile,makefile,justfile,Justfile,Taskfile.yml,Taskfile.yaml,Procfile}",
            "**/*.mk",
        ],
    ),
    (
        "tests",
        &[
            "**/{test,tests,__tests__,spec,specs,e2e,testdata,fixtures,__snapshots__,__mocks__}/**",
            "src/test/**",
            "**/src/test/**",
            "**/*.{test,spec,cy}.{js,jsx,mjs,cjs,ts,tsx,mts,cts}",
            "**/*_test.{go,py,rb,exs,dart,c,cc,cpp,rs,ts,js}",
            "**/{test,tests}_*.{py,rb,c,cc,cpp}",
            "**/*_spec.rb",
            "**/*{Test,Tests,Spec,IT}.{java,kt,scala,groovy,cs,swift,php}",
            "**/{conftest.py,tests.rs,test.rs,tests.py}",
            "**/*.snap",
        ],
    ),
    (
        "dependencies",
        &[
            "**/{Cargo.toml,Cargo.lock,deny.toml}",
            "**/{package.json,package-lock.json,npm-shrinkwrap.json,yarn.lock,pnpm-lock.yaml,pnpm-workspace.yaml,bun.lock,bun.lockb,deno.json,deno.lock}",
            "**/{.yarnrc.yml,.pnpmfile.cjs,lerna.json}",
            "**/{go.mod,go.sum,go.work,go.work.sum}",
            "**/{pom.xml,build.gradle,build.gradle.kts,settings.gradle,settings.gradle.kts,gradle.properties,gradle.lockfile,libs.versions.toml,build.sbt}",
            "**/gradle/wrapper/**",
            "**/{pyproject.toml,setup.py,setup.cfg,uv.lock,uv.toml,poetry.lock,poetry.toml,Pipfile,Pipfile.lock,pdm.lock,pixi.toml,pixi.lock,environment.yml,environment.yaml}",
            "**/{requirements,constraints}*.{txt,in}",
            "**/requirements/*.{txt,in}",
            "**/{Gemfile,Gemfile.lock,gems.rb,gems.locked,composer.json,composer.lock,mix.exs,mix.lock,rebar.config,rebar.lock}",
            "**/*.{gemspec,csproj,fsproj,vbproj,nuspec,cabal,podspec}",
            "**/{Directory.Packages.props,Directory.Build.props,packages.config,packages.lock.json,nuget.config,global.json,paket.dependencies,paket.lock}",
            "**/{Package.swift,Package.resolved,Podfile,Podfile.lock,Cartfile,Cartfile.resolved,pubspec.yaml,pubspec.lock,stack.yaml,stack.yaml.lock}",
            "**/{conanfile.txt,conanfile.py,vcpkg.json,flake.nix,flake.lock,MODULE.bazel,MODULE.bazel.lock,Project.toml,Manifest.toml,renv.lock,DESCRIPTION}",
            ".gitmodules",
        ],
    ),
    (
        "ci",
        &[
            "**/.workflow-config.{yaml,yml}",
            ".github/{workflows,actions}/**",
            "**/action.{yml,yaml}",
            ".gitlab-ci.yml",
            ".gitlab/ci/**",
            ".circleci/**",
            ".buildkite/**",
            ".ci/**",
            ".drone.yml",
            ".travis.yml",
            "appveyor.yml",
            ".appveyor.yml",
            "azure-pipelines*.{yml,yaml}",
            "bitbucket-pipelines.yml",
            ".woodpecker/**",
            ".woodpecker.{yml,yaml}",
            ".cirrus.{yml,star}",
            "Jenkinsfile*",
            ".pre-commit-config.yaml",
            "{lefthook,.lefthook}.{yml,yaml}",
            ".husky/**",
        ],
    ),
];

/// The globs of each. Most starts compare no path with them, so they are read when one does.
static PATHS: LazyLock<Vec<GlobSet>> = LazyLock::new(|| {
    let parsed = |(_, globs): &(&str, &[&str])| GlobSet::parse(globs, &RepoPath::root()).ok();
    CATEGORIES.iter().filter_map(parsed).collect()
});

/// The rules.
pub fn rules() -> Vec<CategoryRule> {
    let rule = |(at, (name, _)): (usize, &(&str, _))| CategoryRule {
        category: Category::from(*name),
        paths: Paths::BuiltIn(at),
        built_in: true,
    };
    CATEGORIES.iter().enumerate().map(rule).collect()
}

/// The paths of one of [`CATEGORIES`].
pub fn paths(at: usize) -> &'static GlobSet {
    &PATHS[at]
}

/// Categories that a kind of step does not watch unless it says otherwise.
///
/// Only what cannot affect such a step: prose. Documentation steps read prose, reviews may, and what a deployment
/// ships nobody knows.
pub fn ignored_by(kind: Kind) -> Vec<Category> {
    match kind {
        Kind::Build | Kind::Test => vec![Arc::from("docs")],
        // Formatters, spell checkers and secret scanners read prose too.
        Kind::Lint | Kind::Security | Kind::Docs | Kind::Deploy | Kind::Ai => vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn category(path: &str) -> Option<String> {
        let path = RepoPath::from(path);
        rules().iter().rev().find(|rule| rule.paths.is_match(&path)).map(|rule| rule.category.to_string())
    }

    #[test]
    fn every_rule_compiles() {
        assert_eq!(PATHS.len(), CATEGORIES.len());
    }

    #[test]
    fn paths_fall_where_people_expect() {
        for (path, expected) in [
            ("README.md", "docs"),
            ("docs/guide/start.rst", "docs"),
            ("docs/logo.svg", "docs"),
            ("LICENSE-MIT", "docs"),
            ("crates/core/README.md", "docs"),
            ("web/public/logo.svg", "assets"),
            (".editorconfig", "config"),
            ("deploy/values.yaml", "config"),
            ("Dockerfile.dev", "config"),
            ("src/main.rs", "code"),
            ("docs/conf.py", "code"),
            ("site/page.mdx", "code"),
            ("scripts/release.py", "scripts"),
            ("ci.sh", "scripts"),
            ("Makefile", "scripts"),
            ("src/app.test.ts", "tests"),
            ("tests/fixtures/a.md", "tests"),
            ("pkg/api_test.go", "tests"),
            ("server/src/test/java/A.java", "tests"),
            ("Cargo.lock", "dependencies"),
            ("web/package.json", "dependencies"),
            ("tests/requirements-dev.txt", "dependencies"),
            ("docs/requirements.txt", "dependencies"),
            (".github/workflows/ci.yml", "ci"),
            (".workflow-config.yaml", "ci"),
            ("services/api/.workflow-config.yaml", "ci"),
        ] {
            assert_eq!(category(path).as_deref(), Some(expected), "{path}");
        }
    }

    /// What may be compiled into something, or what nobody knows, must not be documentation.
    #[test]
    fn prose_inside_sources_and_strangers_have_no_category() {
        for path in [
            "src/help.md",
            "templates/mail.md",
            "crates/a/src/doc/intro.md",
            "content/posts/a.md",
            "data.bin",
            "docs/example",
        ] {
            assert_eq!(category(path), None, "{path}");
        }
    }
}
