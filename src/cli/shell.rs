//! `completions` and `man`: what a shell and a reader of manuals want of the command line.

use super::error::CliError;
use clap::{Args, Command};
use clap_complete::Shell;
use std::{io, path::PathBuf};

#[derive(Args)]
pub struct CompletionsArgs {
    /// The shell: bash, zsh, fish, elvish or powershell
    shell: Shell,
}

#[derive(Args)]
pub struct ManArgs {
    /// Folder to write a page for each command to [default: the page of the program, to standard output]
    folder: Option<PathBuf>,
}

/// Prints the script that completes command lines.
pub fn print_completions(args: &CompletionsArgs, mut command: Command) -> Result<(), CliError> {
    let name = command.get_name().to_owned();
    clap_complete::generate(args.shell, &mut command, name, &mut io::stdout());
    Ok(())
}

/// Writes manual pages.
pub fn write_man_pages(args: &ManArgs, command: Command) -> Result<(), CliError> {
    let written = match &args.folder {
        Some(folder) => std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder)),
        None => clap_mangen::Man::new(command).render(&mut io::stdout()),
    };
    written.map_err(|error| CliError::failed_because(format!("cannot write the manual: {error}")))
}
