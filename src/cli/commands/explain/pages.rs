//! The contracts as pages: what each document asks for, and which checks prove it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;

use crate::contract::{Clause, Contract};
use crate::target::Library;

/// Writes a page for each contract, and one that leads to them.
pub(super) fn write(library: &Library, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let mut index = format!(
        "{HEAD}# Contracts\n\nWhat the five documents and the RFCs ask for, clause by clause, and what proves each.\n\n| contract | clauses | gaps | what it is |\n|---|---|---|---|\n"
    );
    for contract in library.catalogue.contracts() {
        let name = format!("{}.md", contract.flow);
        let path = folder.join(&name);
        std::fs::write(&path, page(library, contract)?)
            .with_context(|| format!("writing {}", path.display()))?;
        let (clauses, gaps) = (contract.clauses.len(), contract.gaps.len());
        writeln!(
            index,
            "| [{}]({name}) | {clauses} | {gaps} | {} |",
            contract.flow,
            line(&contract.title)
        )?;
    }
    let path = folder.join("README.md");
    std::fs::write(&path, index).with_context(|| format!("writing {}", path.display()))
}

const HEAD: &str =
    "<!-- Written by `gatecrash explain --pages docs/contracts`; a test holds it fresh. -->\n";

fn page(library: &Library, contract: &Contract) -> anyhow::Result<String> {
    let mut out = format!(
        "{HEAD}# {}\n\n{}.\n\nSource: {}\n\n## Clauses\n",
        contract.flow,
        line(&contract.title),
        line(&contract.source)
    );
    for clause in contract.clauses.values() {
        one(library, clause, &mut out)?;
    }
    if !contract.gaps.is_empty() {
        writeln!(
            out,
            "\n## What the documents leave open\n\nA profile decides these under `choices`."
        )?;
    }
    for (name, gap) in &contract.gaps {
        let clauses: Vec<&str> = gap.clauses.iter().map(|clause| clause.as_str()).collect();
        writeln!(out, "\n### `{name}`\n\n{} ({})\n", line(&gap.question), clauses.join(", "))?;
        for (answer, meaning) in &gap.answers {
            writeln!(out, "- `{answer}`: {}", line(meaning))?;
        }
    }
    Ok(out)
}

fn one(library: &Library, clause: &Clause, out: &mut String) -> anyhow::Result<()> {
    writeln!(out, "\n### {}\n\n**{}** {}\n", clause.id, clause.level, line(&clause.text))?;
    if let Some(source) = &clause.source {
        writeln!(out, "- source: {} (tier {})", line(source), clause.tiers())?;
    } else {
        writeln!(out, "- tier {}", clause.tiers())?;
    }
    for (flow, reason) in &clause.deviations {
        writeln!(out, "- deviation of {flow}: {}", line(reason))?;
    }
    if let Some(reason) = &clause.unprovable {
        writeln!(out, "- cannot be proved from outside: {}", line(reason))?;
    }
    let mut checks: Vec<&str> = library
        .checks()
        .filter(|(.., check)| check.covers.contains(&clause.id))
        .map(|(_, _, id, _)| id.base())
        .collect();
    checks.sort_unstable();
    checks.dedup();
    if !checks.is_empty() {
        let names: Vec<String> = checks.iter().map(|check| format!("`{check}`")).collect();
        writeln!(out, "- proved by {}", names.join(", "))?;
    }
    Ok(())
}

/// A text of several lines as one.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
