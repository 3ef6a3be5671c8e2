//! Watches on files: the policy file, and those with certificates and lists of numbers.
//!
//! Owns what counts as a change. Refuses to read them. Read first: inotify(7).

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::reload::Reader;

/// Watches the folder of the policy file, for an atomic rename puts another file in its place. Writing into the file
/// itself is not a reload: half of a policy can be a good policy that says something else.
pub fn policy(file: &Path, changed: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let name = file.file_name()?.to_owned();
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        Some(_) | None => Path::new(".").to_owned(),
    };
    // Where the file is a link, what it leads to may be renamed under any name.
    let link = file.is_symlink();
    let on_event = move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let renamed = matches!(event.kind, EventKind::Modify(ModifyKind::Name(_)));
        let meant = link || event.paths.iter().any(|path| path.file_name() == Some(&name));
        if renamed && meant {
            // Full: a change is told already.
            let _ = changed.try_send(());
        }
    };
    let watched = notify::recommended_watcher(on_event)
        .and_then(|mut watcher| watcher.watch(&folder, RecursiveMode::NonRecursive).map(|()| watcher));
    watched
        .inspect_err(|error| {
            tracing::warn!(%error, "the policy file is not watched; `ringfence reload` or SIGHUP reads it again");
        })
        .ok()
}

/// The watches on the files that a policy names.
pub type Files = (Option<RecommendedWatcher>, Option<RecommendedWatcher>);

/// Watches the files that the policy in force names: certificates, and lists of numbers.
pub fn files(reader: &Reader, certificate: &mpsc::Sender<()>, list: &mpsc::Sender<()>) -> Files {
    (certificates(reader, certificate.clone()), lists(reader, list.clone()))
}

/// Watches the folders of all certificate files. Whatever happens there is a reason to look, for a chain that is written in
/// place cannot be half good: it fits its key or it does not. What is missed is found out by looking anyhow, later.
fn certificates(reader: &Reader, changed: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let files: Vec<&Path> = reader.certificate_files().collect();
    let names = names(&files);
    let meant =
        move |event: &notify::Event| is_of(event, &names) && !matches!(event.kind, EventKind::Access(_));
    folders(&files, meant, changed, "certificates are not watched there, and looked at each minute")
}

/// Watches the folders of all lists of numbers: another file in its place, or one that was written and closed. While it is
/// written it says nothing yet, for half of a list is a good list.
fn lists(reader: &Reader, changed: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let files: Vec<&Path> = reader.list_files().collect();
    let names = names(&files);
    // Where a file is a link, what it leads to may be renamed under any name.
    let link = files.iter().any(|file| file.is_symlink());
    let meant = move |event: &notify::Event| {
        let renamed = matches!(event.kind, EventKind::Modify(ModifyKind::Name(_)));
        let closed = event.kind == EventKind::Access(AccessKind::Close(AccessMode::Write));
        renamed && link || (renamed || closed) && is_of(event, &names)
    };
    folders(
        &files,
        meant,
        changed,
        "lists of numbers are not watched there; `ringfence reload` or SIGHUP reads them again",
    )
}

fn names(files: &[&Path]) -> BTreeSet<OsString> {
    files.iter().filter_map(|file| file.file_name()).map(ToOwned::to_owned).collect()
}

fn is_of(event: &notify::Event, names: &BTreeSet<OsString>) -> bool {
    event.paths.iter().filter_map(|path| path.file_name()).any(|name| names.contains(name))
}

/// Watches the folders of files, if there are any.
fn folders(
    files: &[&Path],
    meant: impl Fn(&notify::Event) -> bool + Send + 'static,
    changed: mpsc::Sender<()>,
    otherwise: &str,
) -> Option<RecommendedWatcher> {
    let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    if folders.is_empty() {
        return None;
    }
    let on_event = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| meant(&event)) {
            // Full: a change is told already.
            let _ = changed.try_send(());
        }
    };
    let watcher = notify::recommended_watcher(on_event);
    let mut watcher = watcher.inspect_err(|error| tracing::warn!(%error, "{otherwise}")).ok()?;
    for folder in folders {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            tracing::warn!(%error, folder = %folder.display(), "{otherwise}");
        }
    }
    Some(watcher)
}
