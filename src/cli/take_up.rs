//! `denoise --resume FOLDER`: the command line of the run that is in the folder, and what is said of how to go on with one.

use super::{
    Cli, Command, command_line,
    error::CliError,
    run_folder::read_record,
    run_record::{COMMAND, given_arguments},
};
use clap::FromArgMatches;
use std::{ffi::OsString, path::Path};

/// Lets the table be left out where --resume says which run is meant.
pub fn allow_resume(command: clap::Command) -> clap::Command {
    command.mut_arg("files", |files| files.required_unless_present("resume"))
}

/// The command that began the run in `folder`, with what was given now put over it. From here on the process is where that
/// command was given, so that its paths mean what they meant.
pub fn recall(folder: &Path) -> Result<Command, CliError> {
    let folder = std::path::absolute(folder).map_err(CliError::failed)?;
    let Some(record) = read_record(&folder)? else {
        return Err(CliError::usage(format!(
            "there is no run in {} that was interrupted; with a table and --out a new one begins there",
            folder.display()
        )));
    };
    std::env::set_current_dir(&record.directory).map_err(|error| {
        CliError::failed_because(format!("cannot go to {}, where the run began: {error}", record.directory.display()))
    })?;
    let words = ["autodenoise", COMMAND].map(OsString::from).into_iter().chain(record.arguments);
    let words = words.chain(given_arguments()).chain(["--resume".into(), folder.into_os_string()]);
    let command = command_line().mut_subcommand(COMMAND, |own| own.args_override_self(true));
    let parsed = command.try_get_matches_from(words).and_then(|matches| Cli::from_arg_matches(&matches));
    Ok(parsed.unwrap_or_else(|error| error.exit()).command)
}

/// How a run that ended early is gone on with.
pub fn describe_how(folder: &Path) -> String {
    format!("To go on from its last checkpoint:\n  autodenoise denoise --resume {}", quote(folder))
}

/// A path as a shell reads it.
fn quote(path: &Path) -> String {
    let text = path.as_os_str().to_string_lossy();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+=:@%,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_quoted_as_a_shell_wants_it() {
        assert_eq!(quote(Path::new("/tmp/autodenoise-a1B2")), "/tmp/autodenoise-a1B2");
        assert_eq!(quote(Path::new("/data/it's here")), r"'/data/it'\''s here'");
    }
}
