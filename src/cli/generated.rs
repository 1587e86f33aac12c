//! `completions`, `man` and `schema`: what is generated from the command line and from the tables of keys.

use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;

use super::args::Args;
use super::failure::{Exit, Failure};
use super::generated_args::{CompletionsArgs, ManArgs, SchemaArgs, SchemaOf};
use super::output;
use crate::config;
use crate::contract;

const NAME: &str = "generic-consumer";

/// The command line. A page has the version in its header, where there is room for one line.
fn command() -> clap::Command {
    Args::command().version(env!("CARGO_PKG_VERSION"))
}

/// Prints the completions of a shell.
pub fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command(), NAME, &mut text);
    let text = String::from_utf8_lossy(&text);
    // clap_complete 4.6 takes the hyphen of the program's name for the end of a command where it labels
    // what bash completes, and not where it looks for that.
    output::print(&text.replace("generic__subcmd__consumer", "generic__consumer"))
}

/// Prints the page of the program, or writes those of all commands.
pub fn man(args: &ManArgs) -> Result<(), Failure> {
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        // Writing to memory cannot fail.
        let _ = Man::new(command()).render(&mut page);
        return output::print(&String::from_utf8_lossy(&page));
    };
    pages(folder).map_err(|error| {
        Failure::new(Exit::Usage, format!("write the pages to {}", folder.display())).source(error)
    })
}

fn pages(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(command(), folder)
}

/// Prints a schema.
pub fn schema(args: &SchemaArgs) -> Result<(), Failure> {
    let schema = match args.of {
        SchemaOf::Dotenv => config::schema::dotenv(),
        SchemaOf::Config => config::schema::file(),
        SchemaOf::Transfers => config::schema::transfers(),
        SchemaOf::Contract => contract::extensions::schema(),
    };
    output::print(&format!("{schema:#}\n"))
}
