//! What capabilities, accounts and hooks are, in words for whoever fills a profile in.
//!
//! A word that the scenarios have and this table does not is left without an explanation, and a test says so.

/// What a server has that has the capability.
pub(super) fn capability(name: &str) -> Option<&'static str> {
    Some(match name {
        "burst" => "it may be sent many requests in a short time; asked for only with `true`",
        "optional_client_id" => "the login may leave client_id out",
        "postman" => "it has the refresh address for Postman",
        "refresh" => "it hands out refresh tokens",
        "refresh_header" => "refresh tokens are taken from a header field",
        "socket" => "it has the WebSocket",
        _ => return None,
    })
}

/// The field of a holder of keys; forged tokens name it in vectors, not in scenarios.
pub(super) fn key(role: &str) -> Option<&'static str> {
    match role {
        "signer" => Some("key"),
        "verifier" => Some("public_key"),
        _ => None,
    }
}

/// What an account must be like.
pub(super) fn role(name: &str) -> Option<&'static str> {
    Some(match name {
        "first" => "An ordinary account. Nearly every check logs it in.",
        "second" => "Another ordinary account, to keep users apart.",
        "blocked" => "An account that may not log in; the hook `accounts` changes its state.",
        "longpass" => "An account with a password of more than 72 bytes.",
        "special" => {
            "An account whose password has a space, reserved characters and a letter beyond ASCII."
        }
        "unverified" => "An account whose address was never verified.",
        "signer" => {
            "The key that the server signs its tokens with (HMAC), to sign forged ones with it."
        }
        "verifier" => {
            "The public key that the server verifies its tokens with (PEM), to misuse it as a secret."
        }
        _ => return None,
    })
}

/// Whether a field of an account may stand in reports. What is not known is a secret.
pub(super) fn is_public(field: &str) -> bool {
    matches!(field, "account_id" | "client_id" | "domain" | "public_key" | "username")
}

/// A hook, for whoever provides it.
#[derive(Clone, Copy, Debug)]
pub(super) struct HookWords {
    /// What it does.
    pub(super) does: &'static str,
    /// The particulars that every call of it has.
    pub(super) with: &'static [&'static str],
}

/// What a hook does.
pub(super) fn hook(name: &str) -> Option<HookWords> {
    let (does, with): (_, &[_]) = match name {
        "press" => ("Presses the button (`kind` is short, long or double; short without it).", &[]),
        "accounts" => (
            "Brings the account `username` into a `state`: active, blocked, inactive or deleted.",
            &["username", "state"],
        ),
        "restart" => ("Restarts the server, and ends when it answers again.", &[]),
        "reset" => ("Brings the server to its first state; called before each scenario.", &[]),
        "orders" => ("Makes an order appear that sockets are told of.", &["change"]),
        "database" => ("Makes the database fail (`failing` is true), or work again.", &["failing"]),
        "revoke" => ("Revokes a `token`.", &["token"]),
        _ => return None,
    };
    Some(HookWords { does, with })
}

#[cfg(test)]
mod tests {
    use crate::scenario::HOOKS;
    use crate::target::KEY_HOLDERS;

    #[test]
    fn every_hook_and_every_holder_of_keys_is_explained() {
        for name in HOOKS {
            assert!(super::hook(name).is_some(), "{name}");
        }
        for role in KEY_HOLDERS {
            assert!(super::role(role).is_some() && super::key(role).is_some(), "{role}");
        }
    }
}
