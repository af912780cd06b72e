//! `gatecrash init`.

mod ask;
mod destination;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::cli::arguments::{ClockMode, Init};
use crate::cli::exit::{Exit, UsageError};
use crate::cli::{World, shelf, target};
use crate::draft::{self, Description, Draft, DraftClock, Drafted, Found};
use crate::model::Flow;
use ask::{Asker, Question};
use destination::Destination;

pub(in crate::cli) fn run(
    arguments: &Init,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Exit> {
    let destination = Destination::find(&arguments.path, arguments.force)?;
    let control = arguments.control.as_deref().map(base_url).transpose().map_err(UsageError)?;
    let clock = clock(arguments, control.is_some())?;
    let description = arguments.from.as_deref().map(read_description).transpose()?;
    let asker = Asker::new(!arguments.no_input);
    let url = url(arguments, description.as_ref(), &asker)?;
    let flows = flows(arguments, &asker)?;
    let library = shelf::library(scenarios, world.talk)?;
    let title = description.as_ref().and_then(|description| description.title.as_deref());
    let title = title.map(|title| title.chars().take(80).collect::<String>());
    let title = title.filter(|title| !title.trim().is_empty());
    let authority = url.split("://").last().unwrap_or(&url);
    let draft = Draft {
        target: title.as_deref().unwrap_or(authority),
        base_url: &url,
        flows: &flows,
        clock,
        control: control.as_deref(),
        description: description.as_ref(),
    };
    let drafted =
        draft::write(&library, &draft).map_err(|list| shelf::mistakes(&list, world.talk))?;
    if let (Some(path), Some(description)) = (&arguments.from, &description) {
        tell_findings(path, description, &drafted);
    }
    destination.write(&drafted.text)?;
    if !destination.is_standard_output() {
        tell_next(&arguments.path, &url, &drafted);
    }
    Ok(Exit::Conformant)
}

fn clock(arguments: &Init, controlled: bool) -> Result<DraftClock, UsageError> {
    match (arguments.clock, controlled) {
        (Some(ClockMode::None), _) => Ok(DraftClock::None),
        (Some(ClockMode::Real), _) | (None, false) => Ok(DraftClock::Real),
        (Some(ClockMode::Virtual) | None, true) => Ok(DraftClock::Virtual),
        (Some(ClockMode::Virtual), false) => Err(UsageError(
            "a virtual clock is moved through a control plane: give --control URL, or write `clock` into the profile yourself".to_owned(),
        )),
    }
}

fn url(
    arguments: &Init,
    description: Option<&Description>,
    asker: &Asker,
) -> anyhow::Result<String> {
    if let Some(url) = &arguments.url {
        return Ok(base_url(url).map_err(UsageError)?);
    }
    let described = description.and_then(|description| description.base_url.as_deref());
    let described = described.and_then(|url| base_url(url).ok());
    let question = Question {
        flag: "--url",
        text: "Where is the server",
        default: described.as_deref().unwrap_or("http://127.0.0.1:8080"),
    };
    asker.ask(&question, base_url)
}

fn flows(arguments: &Init, asker: &Asker) -> anyhow::Result<Vec<Flow>> {
    let mut flows = arguments.flow.clone();
    if flows.is_empty() {
        let text = format!("Which flows ({})", Flow::DOCUMENTED.map(Flow::name).join(", "));
        let question = Question { flag: "--flow", text: &text, default: Flow::JwtLogin.name() };
        flows = asker.ask(&question, |answer| {
            let names = answer.split([',', ' ']).filter(|name| !name.is_empty());
            let flows: Result<Vec<Flow>, _> = names.map(str::parse).collect();
            flows.map_err(|error| format!("{error}"))
        })?;
    }
    if flows.contains(&Flow::Common) {
        let message =
            "`common` is no flow of a server: its checks run with those that a server has";
        return Err(UsageError(message.to_owned()).into());
    }
    Ok(Flow::DOCUMENTED.into_iter().filter(|flow| flows.contains(flow)).collect())
}

/// Scheme and authority of an address, and nothing else: paths belong to operations, and secrets nowhere.
fn base_url(text: &str) -> Result<String, String> {
    let wrong = |why: &str| Err(format!("`{text}` {why}; write it like http://127.0.0.1:8080"));
    let trimmed = text.trim().trim_end_matches('/');
    let rest = trimmed.strip_prefix("http://").or_else(|| trimmed.strip_prefix("https://"));
    let Some(authority) = rest else {
        return wrong("has no scheme http or https");
    };
    if authority.contains('@') {
        // Not repeated: it has a password in it.
        return Err("the address has a user name in it: accounts go into the profile as references to environment variables".to_owned());
    }
    if authority.contains(['/', '?', '#']) {
        return wrong(
            "has more than scheme, host and port: paths belong to the operations of the profile",
        );
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, "80"),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~[]:%".contains(c);
    if host.is_empty() || !host.chars().all(fits) {
        return wrong("has no host that can be reached");
    }
    if port.parse::<u16>().is_err() {
        return wrong("has no number of a port behind its colon");
    }
    Ok(trimmed.to_owned())
}

fn read_description(path: &Path) -> anyhow::Result<Description> {
    let wrong = |why: String| UsageError(format!("--from {}: {why}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
    file.take(Description::MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| wrong(format!("it cannot be read: {error}")))?;
    if bytes.len() as u64 > Description::MOST_BYTES {
        let most = Description::MOST_BYTES >> 20;
        return Err(wrong(format!("it has more than {most} MiB")).into());
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| wrong(format!("it is no text in UTF-8: {}", error.utf8_error())))?;
    Ok(Description::parse(&text).map_err(|error| wrong(error.to_string()))?)
}

fn tell_findings(path: &Path, description: &Description, drafted: &Drafted) {
    eprintln!("{}: {} operations", path.display(), description.endpoints.len());
    for (flow, name, found) in &drafted.operations {
        let Some(Found { method, path, id, rivals, lacks, asks }) = found else {
            eprintln!("  not found  {flow} {name}");
            continue;
        };
        let id = id.as_ref().map_or(String::new(), |id| format!(" ({id})"));
        eprintln!("  found      {flow} {name}: {}", plain(&format!("{method} {path}{id}")));
        let mut more = Vec::new();
        if *rivals > 0 {
            more.push(format!("{rivals} more are as likely"));
        }
        if !lacks.is_empty() {
            more.push(format!("it does not describe {}", lacks.join(", ")));
        }
        if !asks.is_empty() {
            more.push(format!("it cannot do without {}: give values", asks.join(", ")));
        }
        if !more.is_empty() {
            eprintln!("             {}", plain(&more.join("; ")));
        }
    }
    for note in description.notes.iter().take(MOST_NOTES) {
        eprintln!("  note       {}", plain(note));
    }
    if description.notes.len() > MOST_NOTES {
        eprintln!("  note       and {} more like it", description.notes.len() - MOST_NOTES);
    }
    eprintln!(
        "What was not found stands in the profile as the documents have it, behind `#`. What the server does not have\nat all is said under `capabilities`.\n"
    );
}

const MOST_NOTES: usize = 5;

fn tell_next(path: &Path, url: &str, drafted: &Drafted) {
    let path = path.display();
    eprintln!("{path} is written. Every line of it says what it is for.");
    if !drafted.variables.is_empty() {
        eprintln!("\nIt takes the accounts from these variables:");
        for variable in &drafted.variables {
            eprintln!("  export {variable}=");
        }
    }
    let allow = target::foreign_host(url);
    let allow = allow.map_or(String::new(), |host| format!(" --allow-host {host}"));
    eprintln!("\nThen:\n  gatecrash doctor {path}{allow}\n  gatecrash check {path}{allow}");
}

/// What a document says stays on its line and moves no cursor.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::base_url;

    #[test]
    fn an_address_is_a_scheme_a_host_and_a_port() {
        for (text, wanted) in [
            ("http://127.0.0.1:8080/", Ok("http://127.0.0.1:8080")),
            (" https://api.example.com ", Ok("https://api.example.com")),
            ("http://[::1]:8443", Ok("http://[::1]:8443")),
            ("http://[::1]", Ok("http://[::1]")),
            ("127.0.0.1:8080", Err("no scheme")),
            ("ftp://127.0.0.1", Err("no scheme")),
            ("http://", Err("no scheme")),
            ("http://:80", Err("no host")),
            ("http://a b", Err("no host")),
            ("http://a:", Err("no number")),
            ("http://a:99999", Err("no number")),
            ("http://a/api", Err("more than")),
            ("http://a?x", Err("more than")),
            ("http://user:hunter2@a", Err("user name in it")),
        ] {
            match (base_url(text), wanted) {
                (Ok(url), Ok(wanted)) => assert_eq!(url, wanted),
                (Err(message), Err(part)) => {
                    assert!(message.contains(part), "{text}: {message}");
                    assert!(!message.contains("hunter2"), "{message}");
                }
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }
}
