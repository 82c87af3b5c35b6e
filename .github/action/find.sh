#!/usr/bin/env bash
# Says where wf is, or will be: the one that was given; the release of the tag that this action is used at, verified; or the
# one that is built from this source, named by a digest of it.
set -euo pipefail

say() { printf '%s=%s\n' "$1" "$2" >>"$GITHUB_OUTPUT"; }

if [ -n "$GIVEN" ]; then
  say wf "$(command -v -- "$GIVEN")"
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
say build "$digest-$(rustc --version | sha256sum | cut -c1-8)"
say wf "$TEMP/wf-bin/wf"
