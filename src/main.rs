use std::process::ExitCode;

fn main() -> ExitCode {
    autodenoise::cli::main()
}
