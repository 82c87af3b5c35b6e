#!/usr/bin/env bash
# Says where wf is, or will be: the one that was given; the release of the tag that this action is used at, verified; or the
# one that is built from this source, named by a digest of it.
set -euo pipefail

say() { printf '%s=%s\n' "$1" "$2" >>"$GITHUB_OUTPUT"; }

fail() { # what is wrong
  printf '::error title=wf::%s\n' "$1"
  exit 1
}

# The parts of the keys under which state is kept: a key has no commas, and at most 512 characters.
key() { printf '%s' "$1" | tr ',\n\r' '___' | cut -c1-120; }
say state-key "$(key "$STATE_KEY")"
say ref "$(key "${GITHUB_REF:-}")"
say base "$(key "$BASE_REF")"

if [ -n "$GIVEN" ]; then
  # Later steps may run in another folder.
  found=$(command -v -- "$GIVEN") || fail "the input wf names no program that is there"
  case "$found" in
    /*) ;;
    */*) found=$PWD/$found ;;
    *) fail "the input wf names no program that is there" ;;
  esac
  say wf "$found"
  exit
fi

target() {
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) echo x86_64-unknown-linux-gnu ;;
    Linux-aarch64 | Linux-arm64) echo aarch64-unknown-linux-gnu ;;
    *) return 1 ;;
  esac
}

# A release is used at its tag alone: `v1.2.3`, which it is built from.
if [[ "$REF" =~ ^v[0-9]+\.[0-9]+\.[0-9]+$ ]] && [ -n "$REPOSITORY" ] && target=$(target); then
  folder=$TEMP/wf-release
  mkdir -p "$folder"
  name=wf-$REF-$target.tar.gz
  from=$SERVER/$REPOSITORY/releases/download/$REF
  get() { curl --fail --silent --show-error --location --retry 3 --max-time 120 --output "$folder/$1" "$from/$1"; }
  if get "$name" && get checksums.txt; then
    (cd "$folder" && grep -F -- "  $name" checksums.txt | sha256sum --check --strict -)
    tar --extract --gzip --file "$folder/$name" --directory "$folder" wf
    say wf "$folder/wf"
    exit
  fi
  echo "::notice title=wf::no release $REF of $REPOSITORY for $target can be had; wf is built from source"
fi

digest=$(cd "$SOURCE" && find Cargo.toml Cargo.lock src templates docs/workflow-config.schema.json -type f -print0 |
  LC_ALL=C sort --zero-terminated | xargs -0 sha256sum | sha256sum | cut -c1-32)
# The source's own folder says which toolchain, whatever the caller's says.
rustc=$(cd "$SOURCE" && rustc --version) || fail "wf is built from source here, and there is no rustc: install Rust, or give the input wf"
say build "$digest-$(printf '%s\n' "$rustc" | sha256sum | cut -c1-8)"
say wf "$TEMP/wf-bin/wf"
