//! What a master needs to know of its workers: a locustfile with the class of their users.

use crate::model::Flow;

/// The name of the class of users of a flow: `JwtLogin`.
pub fn class_of(flow: Flow) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at(1);
        format!("{}{rest}", first.to_ascii_uppercase())
    };
    flow.name().split('-').map(capital).collect()
}

/// A locustfile for the master of workers of this flow of a server with this name and address.
pub fn locustfile(flow: Flow, target: &str, address: &str) -> String {
    let class = class_of(flow);
    let (target, address) = (quoted(target), quoted(address));
    let version = env!("CARGO_PKG_VERSION");
    format!(
        r#"# Written by gatecrash {version} for the flow {flow}.
#
#   locust -f THIS_FILE --master            the page is at http://localhost:8089
#   gatecrash worker --locust-master HOST   any number of times, with the profile that this file was written for
#
# The master counts and shows; its users live in the workers.
import argparse

import locust
from locust import User, events, task


@events.init_command_line_parser.add_listener
def say_version(parser):
    # Workers are told with each order whom they talk to.
    parser.add_argument("--gatecrash-master", default=locust.__version__, help=argparse.SUPPRESS, include_in_web_ui=False)


class {class}(User):
    """A user of {flow} at {target}: presents tokens, and every answer is held against the contract."""

    host = "{address}"

    @task
    def lives_in_a_worker(self):
        raise locust.exception.StopUser("users of this class are made by `gatecrash worker`: start Locust with --master")
"#
    )
}

/// Text that can stand inside a Python string, whatever it is.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || " -_.,:/()[]@+=%~".contains(c);
    text.chars().filter(|c| plain(*c)).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_named_after_its_flow() {
        let names = [Flow::JwtLogin, Flow::GatewayButton].map(class_of);
        assert_eq!(names, ["JwtLogin", "GatewayButton"]);
    }

    #[test]
    fn a_name_cannot_break_out_of_the_file() {
        let file = locustfile(Flow::JwtLogin, "a\"\"\"\nimport os", "http://127.0.0.1:1/\"");
        assert!(file.contains("class JwtLogin(User):"), "{file}");
        assert!(file.contains("at aimport os: presents"), "{file}");
        assert!(file.contains("host = \"http://127.0.0.1:1/\"\n"), "{file}");
    }
}
