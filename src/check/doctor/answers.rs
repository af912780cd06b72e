//! What the answers to a login and to a token say of a profile, and what to change there.

use crate::check::one::secrets;
use crate::engine::{Class, Face, Observed, classify, shown};
use crate::model::{Act, Entry, Examination, Exchange, StopKind, Trace};
use crate::target::{FlowBinding, OutcomeKind};

/// What the login of an account says of the profile. The account `blocked` is one that may not log in, `unverified` one
/// that some servers let in.
pub(super) fn identity_result(binding: &FlowBinding, role: &str, trace: &Trace) -> Examination {
    let place = format!("`flows.{}.identities.{role}`", binding.flow);
    let Some((entry, exchange)) = exchanges(trace).next() else {
        let reason = trace.stop.as_ref().map_or("nothing was sent", |stop| &stop.reason);
        return Examination::problem(reason, place);
    };
    let face = Face::new(exchange);
    let class = classify(binding, &face);
    let seen = seen(binding, trace, entry, &face);
    let granted = matches!(&class, Class::Known(outcome) if outcome.kind == OutcomeKind::Success);
    let refused = matches!(&class, Class::Known(outcome) if outcome.kind == OutcomeKind::Refusal);
    match role {
        "blocked" if granted => {
            let change = format!("block the account of {place}, or name another one there");
            Examination::problem(format!("is not blocked: {seen}"), change)
        }
        "blocked" | "unverified" if refused => {
            Examination::Good(format!("is refused ({})", class.name()))
        }
        _ if granted => Examination::Good("logs in".to_owned()),
        _ if refused => {
            let change = format!(
                "the user name or secret of {place}, or where the operation puts them (`parameters`)"
            );
            Examination::problem(format!("is refused: {seen}"), change)
        }
        _ => Examination::problem(
            format!("is not understood: {seen}"),
            operation_change(binding, exchange),
        ),
    }
}

/// What the answers to a fresh token and to an unknown one say of it.
pub(super) fn token_result(binding: &FlowBinding, trace: &Trace) -> Examination {
    let mut shown_tokens =
        exchanges(trace).filter(|(_, exchange)| exchange.operation == "validate");
    let (good, unknown) = (shown_tokens.next(), shown_tokens.next());
    let Some((entry, good)) = good else {
        let stop = trace.stop.as_ref();
        let reason = stop.map_or("no token was obtained".to_owned(), |stop| stop.reason.clone());
        let change = format!(
            "`flows.{0}.operations` (path, `parameters`, and where the token is: `answer`) and `flows.{0}.outcomes.issued`",
            binding.flow
        );
        return match stop.map(|stop| stop.kind) {
            Some(StopKind::Harness) => {
                Examination::problem(reason, "report this: it is a mistake of gatecrash")
            }
            _ => Examination::problem(reason, change),
        };
    };
    let face = Face::new(good);
    let class = classify(binding, &face);
    if !matches!(&class, Class::Known(outcome) if outcome.kind == OutcomeKind::Success) {
        let what = format!("a fresh token is not accepted: {}", seen(binding, trace, entry, &face));
        return Examination::problem(what, operation_change(binding, good));
    }
    if let Some((entry, unknown)) = unknown {
        let face = Face::new(unknown);
        let class = classify(binding, &face);
        if matches!(class, Class::Unrecognised | Class::None) {
            let what = format!(
                "the answer to an unknown token is not understood: {}",
                seen(binding, trace, entry, &face)
            );
            let change =
                format!("`flows.{}.outcomes.denied` (status, media type, body)", binding.flow);
            return Examination::problem(what, change);
        }
    }
    Examination::Good("obtained, and accepted by `validate`".to_owned())
}

fn operation_change(binding: &FlowBinding, exchange: &Exchange) -> String {
    let (flow, name) = (binding.flow, &exchange.operation);
    let operation = binding.operations.get(name);
    let line = operation.map_or(String::new(), |op| format!(" (now {} {})", op.method, op.path));
    format!(
        "`flows.{flow}.operations.{name}`{line}, its `credential` and `parameters`, or how its answers are recognised: `flows.{flow}.outcomes`"
    )
}

/// The class of an answer with the answer, without its secrets.
fn seen(binding: &FlowBinding, trace: &Trace, entry: &Entry, face: &Face<'_>) -> String {
    let observed = Observed { face, event: None, entry, trace };
    secrets(trace).redact(&shown(binding, &observed))
}

fn exchanges(trace: &Trace) -> impl Iterator<Item = (&Entry, &Exchange)> {
    trace.entries.iter().filter_map(|entry| match &entry.act {
        Act::Exchange(exchange) => Some((entry, &**exchange)),
        _ => None,
    })
}
