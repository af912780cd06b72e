//! What the measurements share: the scenarios that are shipped, and the profile of a running reference server.

use std::path::PathBuf;
use std::sync::Arc;

use gatecrash::source::SourceFile;
use gatecrash::target::{Library, Profile};
use reference_server::Server;

/// Every YAML file of the scenarios.
pub(crate) fn shelf() -> Vec<Arc<SourceFile>> {
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push(SourceFile::new(path, text));
            }
        }
    }
    files
}

/// The profile that leads to a server.
pub(crate) fn reference_profile(
    files: &[Arc<SourceFile>],
    library: &Library,
    server: &Server,
) -> Profile {
    let file = files.iter().find(|file| file.name.ends_with("reference.yaml")).unwrap();
    let profile =
        Profile::parse(file, library, &|_| Err("no secret is asked for".to_owned())).unwrap();
    profile.relocated(&server.url(), &server.control_url())
}
