//! Running the program, and servers and clients that are small enough to be trusted.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use gatecrash::source::SourceFile;
use gatecrash::target::Library;
use serde_json::Value;

/// No run of a part may take longer; a run that does has hung.
const PATIENCE: Duration = Duration::from_secs(60);

/// The folder of the root package.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder of the root package whose name ends so, in a fixed order.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no *{ending} below {folder}");
    found
}

/// A path as it is written in this repository.
pub(crate) fn relative(path: &Path) -> String {
    let path = path.strip_prefix(root()).unwrap();
    path.to_string_lossy().replace('\\', "/")
}

/// Everything that is shipped, read from the folder.
pub(crate) fn library() -> Library {
    let read =
        |path: &Path| SourceFile::new(relative(path), std::fs::read_to_string(path).unwrap());
    let files: Vec<Arc<SourceFile>> =
        files("scenarios", ".yaml").iter().map(|path| read(path)).collect();
    Library::read(&files).unwrap_or_else(|list| panic!("{}", list[0].render(false)))
}

/// What a finished run of the program said.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Run {
    /// The exit code is this one.
    #[track_caller]
    pub(crate) fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "the exit code\n--- out\n{}\n--- err\n{}", self.out, self.err);
        self
    }

    /// Standard output contains this text.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(
            self.out.contains(text),
            "no {text:?} on standard output\n--- out\n{}\n--- err\n{}",
            self.out,
            self.err
        );
        self
    }

    /// Standard error contains this text.
    #[track_caller]
    pub(crate) fn complains(&self, text: &str) -> &Self {
        assert!(
            self.err.contains(text),
            "no {text:?} on standard error\n--- out\n{}\n--- err\n{}",
            self.out,
            self.err
        );
        self
    }
}

fn program(arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatecrash"));
    command
        .args(arguments)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Writes the profile of the reference server into a folder, with these addresses, changes (each once) and further keys.
#[track_caller]
pub(crate) fn reference_profile(
    folder: &Path,
    (api, control): (&str, &str),
    changes: &[(&str, &str)],
    more: &str,
) -> String {
    let text = std::fs::read_to_string(root().join("scenarios/reference.yaml")).unwrap();
    let mut text =
        text.replace("http://127.0.0.1:8080", api).replace("http://127.0.0.1:8081", control);
    for (from, to) in changes {
        assert!(text.contains(from), "{from} is not in the profile");
        text = text.replacen(from, to, 1);
    }
    let path = folder.join("profile.yaml");
    std::fs::write(&path, format!("{text}{more}\n")).unwrap();
    path.display().to_string()
}

/// Runs the program to its end. A panic of the program, or a run without end, fails the test.
#[track_caller]
pub(crate) fn gatecrash(arguments: &[&str]) -> Run {
    gatecrash_within(PATIENCE, arguments)
}

/// The same with another patience.
#[track_caller]
pub(crate) fn gatecrash_within(patience: Duration, arguments: &[&str]) -> Run {
    finish(program(arguments), patience, &arguments.join(" "))
}

/// The same in another working folder.
#[track_caller]
pub(crate) fn gatecrash_in(folder: &Path, arguments: &[&str]) -> Run {
    let mut command = program(arguments);
    command.current_dir(folder);
    finish(command, PATIENCE, &arguments.join(" "))
}

/// The same in another working folder, with these environment variables, with another patience.
#[track_caller]
pub(crate) fn gatecrash_here(
    folder: &Path,
    variables: &[(String, String)],
    patience: Duration,
    arguments: &[&str],
) -> Run {
    let mut command = program(arguments);
    command.current_dir(folder).envs(variables.iter().cloned());
    finish(command, patience, &arguments.join(" "))
}

/// The same in another working folder, with these environment variables, and with these lines to read.
#[track_caller]
pub(crate) fn gatecrash_told(
    folder: &Path,
    variables: &[(String, String)],
    input: &str,
    arguments: &[&str],
) -> Run {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // A few lines fit into every pipe.
    writer.write_all(input.as_bytes()).unwrap();
    drop(writer);
    let mut command = program(arguments);
    command.current_dir(folder).envs(variables.iter().cloned()).stdin(reader);
    finish(command, PATIENCE, &arguments.join(" "))
}

/// The same with these variables in its environment.
#[track_caller]
pub(crate) fn gatecrash_among(variables: &[(&str, &str)], arguments: &[&str]) -> Run {
    let mut command = program(arguments);
    command.envs(variables.iter().copied());
    finish(command, PATIENCE, &arguments.join(" "))
}

/// The same with a standard output that nobody reads: its other end is closed from the start.
#[track_caller]
pub(crate) fn gatecrash_unread(arguments: &[&str]) -> Run {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = program(arguments).stdout(writer).spawn().unwrap();
    let err = collect(child.stderr.take().unwrap()).recv().unwrap();
    Run { code: child.wait().unwrap().code().unwrap_or_default(), out: String::new(), err }
}

#[track_caller]
fn finish(mut command: Command, patience: Duration, line: &str) -> Run {
    let mut child = command.spawn().unwrap();
    let out = collect(child.stdout.take().unwrap());
    let err = collect(child.stderr.take().unwrap());
    let ended = out.recv_timeout(patience).and_then(|out| Ok((out, err.recv_timeout(patience)?)));
    let Ok((out, err)) = ended else {
        child.kill().unwrap();
        child.wait().unwrap();
        let out = out.recv().unwrap_or_default();
        panic!("`gatecrash {line}` still ran after {patience:?}; it had said:\n{out}");
    };
    let code = child.wait().unwrap().code();
    let run = Run {
        code: code.unwrap_or_else(|| panic!("`gatecrash {line}` was ended by a signal: {err}")),
        out,
        err,
    };
    assert!(
        !run.err.contains("panicked") && run.code != 70 && run.code != 101,
        "`gatecrash {line}` broke: {run:#?}"
    );
    run
}

fn collect(mut from: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is still worth reading.
        drop(from.read_to_end(&mut bytes));
        drop(sender.send(String::from_utf8_lossy(&bytes).into_owned()));
    });
    receiver
}

/// A run over everything that is shipped, with its reports: it takes long, so the tests share one.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) run: Run,
    pub(crate) json: Value,
    pub(crate) junit: String,
}

pub(crate) fn whole() -> &'static Whole {
    static WHOLE: OnceLock<Whole> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let (json, junit) = (folder.path().join("run.json"), folder.path().join("run.xml"));
        let (to_json, to_junit) = (report("json", &json), report("junit", &junit));
        let arguments = ["check", "--seed", "7", "--report", &to_json, "--report", &to_junit];
        let run = gatecrash_within(4 * PATIENCE, &arguments);
        let json = std::fs::read_to_string(json).unwrap();
        Whole {
            run,
            json: serde_json::from_str(&json).unwrap(),
            junit: std::fs::read_to_string(junit).unwrap(),
        }
    })
}

/// The value of `--report` for a format and a path.
pub(crate) fn report(format: &str, path: &Path) -> String {
    format!("{format}={}", path.display())
}

/// A reference server in a process of its own, which ends with the test.
#[derive(Debug)]
pub(crate) struct Served {
    child: Child,
    pub(crate) api: String,
    pub(crate) control: String,
}

impl Served {
    /// Starts `gatecrash serve` on free ports and reads its addresses from what it prints.
    #[track_caller]
    pub(crate) fn start(more: &[&str]) -> Self {
        let mut arguments = vec!["serve", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"];
        arguments.extend(more);
        let mut child = program(&arguments).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = || {
            let line = lines.next().unwrap().unwrap();
            let at = line.find("http://").unwrap_or_else(|| panic!("no address in {line:?}"));
            line[at..].split_whitespace().next().unwrap().to_owned()
        };
        let (api, control) = (address(), address());
        // The pipe must not fill up or close while the server runs.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, api, control }
    }

    /// One request to the API.
    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Reply {
        send(&self.api, method, path, headers, body)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An answer, as it came over the wire.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The header fields, one a line.
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl Reply {
    /// Status and body are these, byte for byte.
    #[track_caller]
    pub(crate) fn is(&self, status: u16, body: &str) -> &Self {
        assert_eq!((self.status, self.body.as_str()), (status, body), "{self:#?}");
        self
    }

    /// The status is this one.
    #[track_caller]
    pub(crate) fn has_status(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    /// The first value of a header field.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:#?}"))
    }
}

/// Sends one HTTP/1.1 request on a connection of its own and reads to its end. Answers have a length or end
/// with the connection; nothing here reads chunks, and no server in these tests sends them.
#[track_caller]
pub(crate) fn send(base: &str, method: &str, path: &str, headers: &[&str], body: &str) -> Reply {
    let authority = base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    let length = body.len();
    let request = format!("{head}Content-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let (line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, headers: headers.replace("\r\n", "\n"), body: body.to_owned() }
}

/// The header field of an urlencoded form.
pub(crate) const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

/// A server that does the same with each connection, for as long as the tests run.
pub(crate) fn serve_each(act: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let act = act.clone();
            std::thread::spawn(move || act(stream));
        }
    });
    address
}

/// Reads requests from a connection and gives each the same answer, until the client goes.
pub(crate) fn answer_each(stream: TcpStream, answer: &[u8]) {
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = Vec::new();
            match reader.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let line = String::from_utf8_lossy(&line).trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = reader.by_ref().take(length);
        if std::io::copy(&mut body, &mut std::io::sink()).is_err()
            || writer.write_all(answer).is_err()
        {
            return;
        }
    }
}
