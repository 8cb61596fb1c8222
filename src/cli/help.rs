//! The help of the program: its commands in groups, each with an example.

use clap::Command;

/// Commands under a heading.
struct Group {
    heading: &'static str,
    /// Name and example each; no example where the command has one of its own.
    commands: &'static [(&'static str, &'static str)],
}

const GROUPS: [Group; 5] = [
    Group {
        heading: "One table, without a server",
        commands: &[
            ("denoise", "autodenoise denoise clicks.csv -o clean.csv --label click --report report.html"),
            ("judge", "autodenoise judge arms clicks.csv results -o arms --label click"),
            ("verify", "autodenoise verify results/certificate.json clean.csv clicks.csv"),
        ],
    },
    Group {
        heading: "Jobs on a server",
        commands: &[
            ("submit", "autodenoise submit clicks.csv --label click --certify --wait"),
            ("status", "autodenoise status job_0198…"),
            ("watch", "autodenoise watch job_0198…"),
            ("download", "autodenoise download job_0198… --artifacts denoised,report.html --out data"),
            ("pause", "autodenoise pause job_0198…"),
            ("resume", "autodenoise resume job_0198…"),
            ("cancel", "autodenoise cancel job_0198…"),
            ("datasets", "autodenoise datasets upload clicks.csv --label click --name nightly"),
            ("webhooks", "autodenoise webhooks add https://ci.example.com/denoised"),
        ],
    },
    Group {
        heading: "The service",
        commands: &[
            ("serve", "autodenoise serve --listen 127.0.0.1:8080"),
            ("worker", "autodenoise worker --database-url postgres://db/autodenoise --data-dir /mnt/shared"),
            ("keys", "autodenoise keys create --name nightly --scope write"),
            ("fsck", "autodenoise fsck"),
            ("healthcheck", "autodenoise healthcheck --address 127.0.0.1:8081 --ready"),
            ("migrate", "autodenoise migrate --database-url postgres://db/autodenoise"),
        ],
    },
    Group {
        heading: "Research",
        commands: &[
            ("import", ""),
            ("reproduce", ""),
            ("synth", "autodenoise synth clicks.csv --plant inverted:item:0.1 --truth truth.csv"),
            ("bench-noise", "autodenoise bench-noise clicks.csv --label click --out noise"),
            ("bench", "autodenoise bench"),
        ],
    },
    Group {
        heading: "The program",
        commands: &[
            ("completions", "autodenoise completions bash > ~/.local/share/bash-completion/completions/autodenoise"),
            ("man", "autodenoise man ~/.local/share/man/man1"),
            ("openapi", "autodenoise openapi > openapi.json"),
        ],
    },
];

/// Puts an example behind what the help of a command says already.
fn add_example(command: Command, example: &str) -> Command {
    let example = format!("Example:\n  {example}");
    let said = command.get_after_help().map(ToString::to_string);
    command.after_help(said.map_or(example.clone(), |said| format!("{said}\n\n{example}")))
}

/// The command line with its commands in groups, and an example behind the help of each.
pub fn with_groups(mut command: Command) -> Command {
    let mut list = String::new();
    for group in &GROUPS {
        list += &format!("\n{}:\n", group.heading);
        for (name, example) in group.commands {
            let about = command.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string);
            list += &format!("  {name:<12} {}\n", first_clause(&about.unwrap_or_default()));
            if !example.is_empty() {
                command = command.mut_subcommand(name, |own| add_example(own, example));
            }
        }
    }
    let template =
        format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{list}\nOptions:\n{{options}}{{after-help}}");
    command.help_template(template)
}

/// So much of a description as fits a line of 80 columns: its first sentence, or what stands before a colon or semicolon.
fn first_clause(about: &str) -> &str {
    const ROOM: usize = 64;
    if about.len() <= ROOM {
        return about;
    }
    // What stands in parentheses is not cut in the middle.
    let is_outside = |end: usize| about[..end].matches('(').count() == about[..end].matches(')').count();
    let ends = about[..=ROOM].rmatch_indices([':', ';', ',', '(']).map(|(end, _)| end);
    let end = ends.filter(|end| is_outside(*end)).max().or_else(|| about[..=ROOM].rfind(' ')).unwrap_or(ROOM);
    about[..end].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    #[test]
    fn every_command_is_in_one_group_and_has_an_example() {
        let command = with_groups(Cli::command());
        for own in command.get_subcommands().filter(|own| !own.is_hide_set()) {
            let groups = GROUPS.iter().flat_map(|group| group.commands).filter(|(name, _)| *name == own.get_name());
            assert_eq!(groups.count(), 1, "{}", own.get_name());
            let after = own.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains(&format!("autodenoise {}", own.get_name())), "{}: {after}", own.get_name());
        }
        for (name, _) in GROUPS.iter().flat_map(|group| group.commands) {
            assert!(command.find_subcommand(name).is_some(), "{name}");
        }
        let help = command.clone().term_width(80).render_help().to_string();
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    }
}
