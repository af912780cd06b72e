//! What is checked: nothing given, an address, or a profile.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::arguments::{ClockMode, Reach};
use super::exit::{TargetError, UsageError};
use super::{World, plane, shelf};
use crate::engine::{Provided, Provision};
use crate::source::Diagnostic;
use crate::target::{ClockSetting, Library, Profile, SecretReference, Trust};

/// One server that all scenarios share.
#[derive(Debug)]
pub(super) struct Fixed(Arc<Profile>);

impl Provision for Fixed {
    fn provide(&self) -> Result<Provided, String> {
        Ok(Provided { profile: Arc::clone(&self.0), guard: None })
    }

    fn is_shared(&self) -> bool {
        true
    }
}

/// The server that a profile or an address names.
pub(super) fn fixed(
    target: &str,
    reach: &Reach,
    library: &Library,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Fixed> {
    match fixed_partly(target, reach, library, scenarios, world)? {
        (Some(fixed), wrong) if wrong.is_empty() => Ok(fixed),
        (_, wrong) => Err(shelf::mistakes(&wrong, world.talk).into()),
    }
}

/// The same as far as the profile can be read, with everything that is wrong with it.
pub(super) fn fixed_partly(
    target: &str,
    reach: &Reach,
    library: &Library,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<(Option<Fixed>, Vec<Diagnostic>)> {
    let address = target.starts_with("http://") || target.starts_with("https://");
    let (profile, wrong) = if address && reach.accounts.as_deref() == Some("reference") {
        let profile = read_profile(&shelf::reference_profile(scenarios)?, library, world)?;
        let mut profile = profile.relocated(target.trim_end_matches('/'), "");
        target.clone_into(&mut profile.name);
        if reach.control.is_none() {
            profile.clock = ClockSetting::None;
            profile.hooks.clear();
        }
        (Some(profile), Vec::new())
    } else if address {
        let profile = Profile::documented(target.trim_end_matches('/'), library)
            .map_err(|list| shelf::mistakes(&list, world.talk))?;
        (Some(profile), Vec::new())
    } else {
        let file = shelf::read_file(Path::new(target))?;
        Profile::parse_partly(&file, library, &resolve)
    };
    let Some(mut profile) = profile else {
        return Ok((None, wrong));
    };
    apply(reach, &mut profile)?;
    hosts_allowed(&profile, &reach.allow_host)?;
    Ok((Some(Fixed(Arc::new(profile))), wrong))
}

/// What the command line says of the clock, the control plane and certificates.
fn apply(reach: &Reach, profile: &mut Profile) -> anyhow::Result<()> {
    if let Some(control) = &reach.control {
        profile.control_by(control.trim_end_matches('/'));
        // A server that runs in real time has a control plane too, but its clock cannot be moved.
        if plane::get(control, "/clock")?.get("mode").and_then(Value::as_str) == Some("real") {
            profile.clock = real_clock();
        }
    }
    match reach.clock {
        Some(ClockMode::None) => profile.clock = ClockSetting::None,
        Some(ClockMode::Real) if !matches!(profile.clock, ClockSetting::Real { .. }) => {
            profile.clock = real_clock();
        }
        Some(ClockMode::Virtual)
            if matches!(profile.clock, ClockSetting::None | ClockSetting::Real { .. }) =>
        {
            let message = "a virtual clock needs `clock` in the profile, or --control".to_owned();
            return Err(UsageError(message).into());
        }
        Some(ClockMode::Real | ClockMode::Virtual) | None => {}
    }
    if let (Some(longest), ClockSetting::Real { max_wait, .. }) =
        (reach.max_wait, &mut profile.clock)
    {
        *max_wait = longest;
    }
    if reach.insecure {
        if matches!(profile.transport.trust, Trust::Authorities(_)) {
            let message = "--insecure takes any certificate, and the profile names whom to trust (`tls: {trust: ...}`); leave out one of the two";
            return Err(UsageError(message.to_owned()).into());
        }
        profile.transport.trust = Trust::Everybody;
    }
    for remark in profile.remarks() {
        eprintln!("warning: {remark}");
    }
    Ok(())
}

fn real_clock() -> ClockSetting {
    ClockSetting::Real { tolerance: Duration::from_secs(1), max_wait: MAX_WAIT }
}

/// Without a word from the profile no probe waits longer than this: what needs more is blocked, and says so.
const MAX_WAIT: Duration = Duration::from_secs(30);

impl Fixed {
    /// The profile.
    pub(super) fn profile(&self) -> &Profile {
        &self.0
    }
}

/// Reads a profile; its secrets come from the environment and from files.
pub(super) fn read_profile(
    file: &Arc<crate::source::SourceFile>,
    library: &Library,
    world: World,
) -> anyhow::Result<Profile> {
    Profile::parse(file, library, &resolve)
        .map_err(|list| shelf::mistakes(&list, world.talk).into())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads secrets from the environment"
)]
fn resolve(reference: &SecretReference) -> Result<String, String> {
    match reference {
        SecretReference::Environment(name) => {
            std::env::var(name).map_err(|_| format!("the environment variable {name} is not set"))
        }
        SecretReference::File(path) => {
            read(path).map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
        }
        SecretReference::Certificates(path) | SecretReference::Key(path) => {
            let text = read(path)?;
            // An empty text would mean that it is not at hand.
            if text.is_empty() { Err(format!("the file {path} is empty")) } else { Ok(text) }
        }
    }
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("the file {path} cannot be read: {error}"))
}

/// Certificates for `lint`, and nothing else: a profile can be linted where its secrets are not at hand.
pub(super) fn resolve_public(reference: &SecretReference) -> Result<String, String> {
    match reference {
        SecretReference::Certificates(_) => resolve(reference),
        SecretReference::Key(path) => Ok(read(path).unwrap_or_default()),
        SecretReference::Environment(_) | SecretReference::File(_) => Ok("secret".to_owned()),
    }
}

/// Tests of other people's servers must be meant: any host but loopback has to be named.
fn hosts_allowed(profile: &Profile, allowed: &[String]) -> anyhow::Result<()> {
    if is_local(profile) {
        return Ok(());
    }
    for host in profile.bases().map(host) {
        if !is_loopback(host) && !allowed.iter().any(|name| name == host) {
            let message = format!(
                "{host} is not this machine; name it with --allow-host {host} if you may test it"
            );
            return Err(TargetError(message).into());
        }
    }
    Ok(())
}

/// The host of an address, when it is not this machine.
pub(super) fn foreign_host(url: &str) -> Option<&str> {
    Some(host(url)).filter(|host| !is_loopback(host))
}

/// Whether every address of a profile is on this machine. Behind a socket there is no other host, whatever the
/// address says.
pub(super) fn is_local(profile: &Profile) -> bool {
    profile.transport.unix_socket.is_some() || profile.bases().map(host).all(is_loopback)
}

fn host(url: &str) -> &str {
    let authority = url.split("://").last().unwrap_or(url).split('/').next().unwrap_or_default();
    match authority.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or(address),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{host, is_loopback};

    #[test]
    fn only_loopback_is_this_machine() {
        for (url, loopback) in [
            ("http://127.0.0.1:8080", true),
            ("http://127.9.9.9", true),
            ("http://localhost:1/x", true),
            ("https://[::1]:8443", true),
            ("http://10.0.0.1", false),
            ("https://example.com:443", false),
            ("http://127.0.0.1.example.com", false),
            ("http://localhost@example.com", false),
        ] {
            assert_eq!(is_loopback(host(url)), loopback, "{url}");
        }
    }
}
