//! What the command line may say.

use clap::{Arg, ArgAction, Command, value_parser};
use clap_complete::Shell;

use crate::operations;

fn required(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .required(true)
        .value_name(name.to_uppercase())
        .help(help)
}

/// The command with everything below it: its own commands, and one for each operation.
pub(crate) fn command() -> Command {
    Command::new("tenantry")
        .about("Looks into a store, keeps it, and calls any operation.")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help(
            "Every operation is a command too, such as `tenantry groups.create --account acme \
             --name Sales`; `tenantry operations WORD` finds them.",
        )
        .args(globals())
        .subcommands(own())
        .subcommands(operations::commands())
}

fn globals() -> [Arg; 5] {
    [
        Arg::new("store")
            .long("store")
            .short('s')
            .global(true)
            .value_name("PATH")
            .env("TENANTRY_STORE")
            .help("The store: a folder, `sqlite:` and a file, or the address of a database"),
        Arg::new("json")
            .long("json")
            .global(true)
            .action(ArgAction::SetTrue)
            .help("Answers in JSON, for programs"),
        Arg::new("create")
            .long("create")
            .global(true)
            .action(ArgAction::SetTrue)
            .help("Makes the store where there is none"),
        Arg::new("actor")
            .long("actor")
            .global(true)
            .value_name("JSON")
            .help("Who asks, as in the JSON of a call; the host itself when absent"),
        Arg::new("options")
            .long("options")
            .global(true)
            .value_name("FILE")
            .help("A file with the options of opening as JSON, such as `token_key`"),
    ]
}

fn own() -> Vec<Command> {
    [of_the_store(), of_accounts(), of_the_command()].concat()
}

fn of_the_store() -> Vec<Command> {
    let place = |name, help| required(name, help).value_name("PATH");
    let file = |name, help| required(name, help).value_name("FILE");
    vec![
        Command::new("backup")
            .about("Writes all of the store into one file, beside those who use it")
            .arg(file("to", "The file; there must be none yet")),
        Command::new("restore")
            .about("Makes a store of a backup")
            .arg(file("from", "The file of the backup"))
            .arg(place("to", "Where the store is made"))
            .arg(
                Arg::new("edited")
                    .long("edited")
                    .action(ArgAction::SetTrue)
                    .help("Takes a file that was changed on purpose; every record is checked"),
            ),
        Command::new("copy")
            .about("Copies the store to another place, of the same or another kind")
            .arg(place("to", "Where the copy is made")),
        Command::new("verify")
            .about("Reads and checks every record; ends with 3 where something is wrong")
            .arg(address()),
        Command::new("repair")
            .about(
                "Puts right index lines and counts, and no record; ends with 3 where more is wrong",
            )
            .arg(address())
            .arg(
                Arg::new("dry-run")
                    .long("dry-run")
                    .action(ArgAction::SetTrue)
                    .help("Only tells what would be repaired"),
            ),
        Command::new("stats").about("Tells what takes how much room"),
        Command::new("compact").about("Gives back room that the store does not need"),
    ]
}

/// The store, beside the option for it.
fn address() -> Arg {
    Arg::new("address")
        .value_name("ADDRESS")
        .help("The store, as `--store` names it; that one when absent")
}

fn of_accounts() -> Vec<Command> {
    let account = || required("account", "The account");
    vec![
        Command::new("usage")
            .about("Shows what an account has used of its limits")
            .arg(account()),
        Command::new("top")
            .about("Shows who sends just now and who is refused, live")
            .arg(
                Arg::new("interval")
                    .long("interval")
                    .value_name("SECONDS")
                    .value_parser(value_parser!(u64).range(1..=3_600))
                    .default_value("2")
                    .help("How long between two looks"),
            )
            .arg(
                Arg::new("once")
                    .long("once")
                    .action(ArgAction::SetTrue)
                    .help("Looks twice, prints and ends"),
            ),
        Command::new("why")
            .about("Explains whether a send would go out, and why not")
            .arg(account())
            .arg(
                Arg::new("user")
                    .value_name("USER")
                    .help("The user who sends; the host itself when absent"),
            )
            .arg(
                Arg::new("count")
                    .long("count")
                    .value_name("N")
                    .value_parser(value_parser!(u64))
                    .default_value("1")
                    .help("How many messages"),
            )
            .arg(
                Arg::new("channel")
                    .long("channel")
                    .value_name("CHANNEL")
                    .default_value("email")
                    .help("`email` or `sms`"),
            ),
    ]
}

fn of_the_command() -> Vec<Command> {
    let tail = Command::new("tail")
        .about("Shows the newest messages, and takes none from anybody")
        .arg(
            Arg::new("lines")
                .long("lines")
                .short('n')
                .value_name("N")
                .value_parser(value_parser!(u64))
                .default_value("10")
                .help("How many"),
        )
        .arg(
            Arg::new("follow")
                .long("follow")
                .short('f')
                .action(ArgAction::SetTrue)
                .help("Goes on with those that come"),
        );
    vec![
        Command::new("outbox")
            .about("The messages to the host")
            .subcommand_required(true)
            .subcommand(tail),
        Command::new("operations")
            .about("Lists the operations")
            .arg(
                Arg::new("word")
                    .value_name("WORD")
                    .help("Only those with this word"),
            ),
        Command::new("completion")
            .about("Prints what a shell completes by")
            .arg(
                required("shell", "The shell: `bash`, `zsh` or `fish`")
                    .value_parser(value_parser!(Shell)),
            ),
    ]
}
