//! The variables that every step gets, whatever it declares. Pure.
//!
//! A step whose result may be cached sees these and what it declares in `env`, and nothing else: a variable that it could
//! read and its key did not hold would make a wrong hit. So only what says *where* things are belongs here (folders,
//! proxies, certificates, package indexes) and what programs need to start at all; never what says *how* to build. The
//! first group is the exception, and its values are in every key. Changing any of this changes what recorded results
//! mean: raise `event::SEMANTICS`.

/// What for, and the names; a `*` at the end stands for any end.
pub const BASE: &[(&str, &[&str])] = &[
    ("language, time zone and CI; in every key", &["CI", "LANG", "LANGUAGE", "LC_*", "TZ"]),
    (
        "the user and the session",
        &[
            "PATH",
            "HOME",
            "USER",
            "LOGNAME",
            "SHELL",
            "TERM",
            "TMPDIR",
            "TMP",
            "TEMP",
            "XDG_CACHE_HOME",
            "XDG_CONFIG_HOME",
            "XDG_DATA_HOME",
            "XDG_RUNTIME_DIR",
            "XDG_STATE_HOME",
            "LD_LIBRARY_PATH",
            "SSH_AUTH_SOCK",
        ],
    ),
    (
        "proxies",
        &[
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "FTP_PROXY",
            "NO_PROXY",
            "http_proxy",
            "https_proxy",
            "all_proxy",
            "ftp_proxy",
            "no_proxy",
        ],
    ),
    (
        "certificates",
        &[
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
            "NIX_SSL_CERT_FILE",
            "CURL_CA_BUNDLE",
            "REQUESTS_CA_BUNDLE",
            "AWS_CA_BUNDLE",
            "NODE_EXTRA_CA_CERTS",
            "GIT_SSL_CAINFO",
            "CARGO_HTTP_CAINFO",
            "PIP_CERT",
            "npm_config_cafile",
        ],
    ),
    (
        "package indexes",
        &[
            "PIP_CONFIG_FILE",
            "PIP_INDEX_URL",
            "PIP_EXTRA_INDEX_URL",
            "PIP_FIND_LINKS",
            "PIP_TRUSTED_HOST",
            "UV_INDEX",
            "UV_DEFAULT_INDEX",
            "UV_INDEX_URL",
            "UV_EXTRA_INDEX_URL",
            "UV_FIND_LINKS",
            "npm_config_registry",
            "npm_config_userconfig",
            "NPM_CONFIG_REGISTRY",
            "NPM_CONFIG_USERCONFIG",
            "YARN_NPM_REGISTRY_SERVER",
            "GOPROXY",
            "GOSUMDB",
            "GOPRIVATE",
            "GONOPROXY",
            "GONOSUMDB",
        ],
    ),
    (
        "where toolchains are, and their caches",
        &[
            "CARGO_HOME",
            "RUSTUP_HOME",
            "GOROOT",
            "GOPATH",
            "GOCACHE",
            "GOMODCACHE",
            "JAVA_HOME",
            "MAVEN_HOME",
            "M2_HOME",
            "GRADLE_HOME",
            "GRADLE_USER_HOME",
            "SDKMAN_DIR",
            "ANDROID_HOME",
            "ANDROID_SDK_ROOT",
            "DOTNET_ROOT",
            "NUGET_PACKAGES",
            "NVM_DIR",
            "FNM_DIR",
            "VOLTA_HOME",
            "COREPACK_HOME",
            "PNPM_HOME",
            "BUN_INSTALL",
            "DENO_DIR",
            "npm_config_cache",
            "YARN_CACHE_FOLDER",
            "PYENV_ROOT",
            "VIRTUAL_ENV",
            "CONDA_PREFIX",
            "PIPX_HOME",
            "PIP_CACHE_DIR",
            "POETRY_HOME",
            "POETRY_CACHE_DIR",
            "UV_CACHE_DIR",
            "UV_PYTHON_INSTALL_DIR",
            "RBENV_ROOT",
            "GEM_HOME",
            "GEM_PATH",
            "ASDF_DIR",
            "ASDF_DATA_DIR",
            "MISE_DATA_DIR",
        ],
    ),
    ("git", &["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_SSH_COMMAND"]),
];

/// Does every step get this variable?
pub fn is_base(name: &[u8]) -> bool {
    BASE.iter().any(|(_, names)| holds(names, name))
}

/// Is its value in the key of every step, because programs change what they print by it?
pub fn is_in_every_key(name: &[u8]) -> bool {
    holds(BASE[0].1, name)
}

fn holds(names: &[&str], name: &[u8]) -> bool {
    names.iter().any(|known| match known.strip_suffix('*') {
        Some(start) => name.starts_with(start.as_bytes()),
        None => known.as_bytes() == name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_things_are_is_given_and_how_to_build_is_not() {
        for name in ["PATH", "LC_ALL", "LC_COLLATE", "CI", "https_proxy", "CARGO_HOME", "GIT_SSH_COMMAND"] {
            assert!(is_base(name.as_bytes()), "{name}");
        }
        for name in
            ["RUSTFLAGS", "CFLAGS", "NODE_ENV", "NODE_OPTIONS", "GITHUB_TOKEN", "LC", "PATH2", "path", "LD_PRELOAD"]
        {
            assert!(!is_base(name.as_bytes()), "{name}");
        }
        let in_key = |name: &str| is_in_every_key(name.as_bytes());
        assert!(in_key("CI") && in_key("TZ") && in_key("LC_CTYPE") && in_key("LANG") && !in_key("PATH"));
        assert!(BASE.iter().flat_map(|(_, names)| *names).all(|name| is_base(name.trim_end_matches('*').as_bytes())));
    }
}
