#!/usr/bin/env bash
# Builds wf from this source, in its own folder: the caller's toolchain file, cargo settings and target say nothing here.
set -euo pipefail
cd -- "$SOURCE"
unset CARGO_TARGET_DIR CARGO_BUILD_TARGET CARGO_BUILD_TARGET_DIR RUSTFLAGS CARGO_ENCODED_RUSTFLAGS RUSTUP_TOOLCHAIN
if ! command -v cargo >/dev/null; then
  echo '::error title=wf::wf is built from source here, and there is no cargo: install Rust, or give the input wf'
  exit 1
fi
cargo build --locked --release --bin wf --target-dir "$TEMP/wf-build"
mkdir -p "$TEMP/wf-bin"
cp "$TEMP/wf-build/release/wf" "$TEMP/wf-bin/wf"
rm -rf "$TEMP/wf-build"
