//! argv and the real terminal in, an exit code out. Nothing else.

fn main() -> std::process::ExitCode {
    wf::cli::main(std::env::args_os().collect()).into()
}
