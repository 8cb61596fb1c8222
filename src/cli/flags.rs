//! The flag that says a part of a spec, so that a fault is told in the words of the command line.

use clap::CommandFactory;

/// What was given for the part of a spec at `pointer`: `--label` for `/label`; the pointer itself where no flag says it.
pub(super) fn flag_of(pointer: &str) -> String {
    let segments: Vec<_> = pointer.split('/').skip(1).collect();
    let name = match segments[..] {
        ["method", "options", option, ..] => return format!("--option {option}"),
        ["split", way @ ("column" | "time" | "group" | "stratified"), ..] => format!("split-{way}"),
        ["method" | "certify", part, ..] | [part, ..] => match part {
            "fields" => "features".to_owned(),
            "tuning" => "tune".to_owned(),
            part => part.replace('_', "-"),
        },
        [] => return pointer.to_owned(),
    };
    let commands = super::Cli::command();
    let denoise = commands.find_subcommand("denoise").expect("a command of this program");
    let is_flag = denoise.get_arguments().any(|argument| argument.get_long() == Some(&name));
    if is_flag { format!("--{name}") } else { pointer.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::flag_of;

    #[test]
    fn parts_of_specs_are_told_as_their_flags() {
        for (pointer, flag) in [
            ("/label", "--label"),
            ("/max_bad_rows", "--max-bad-rows"),
            ("/fields", "--features"),
            ("/split/ratio/ratios", "--split"),
            ("/split/column", "--split-column"),
            ("/split/stratified/ratios", "--split-stratified"),
            ("/method/backbone", "--backbone"),
            ("/method/options/epochz", "--option epochz"),
            ("/method/name", "/method/name"),
            ("/tuning/patience", "--tune"),
            ("/certify/trusted", "--trusted"),
            ("/webhook_ids/0", "/webhook_ids/0"),
            ("", ""),
        ] {
            assert_eq!(flag_of(pointer), flag);
        }
    }
}
