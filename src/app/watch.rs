//! Watches on files: the policy file, and those with certificates.
//!
//! Owns what counts as a change. Refuses to read them. Read first: inotify(7).

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use notify::event::{EventKind, ModifyKind};
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

/// Watches the folders of all certificate files. Whatever happens there is a reason to look, for a chain that is written in
/// place cannot be half good: it fits its key or it does not. What is missed is found out by looking anyhow, later.
pub fn certificates(reader: &Reader, changed: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let files: Vec<&Path> = reader.certificate_files().collect();
    let folders: BTreeSet<PathBuf> =
        files.iter().filter_map(|file| file.parent()).map(Path::to_owned).collect();
    let names: BTreeSet<OsString> =
        files.iter().filter_map(|file| file.file_name()).map(ToOwned::to_owned).collect();
    if folders.is_empty() {
        return None;
    }
    let on_event = move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let meant = event.paths.iter().filter_map(|path| path.file_name()).any(|name| names.contains(name));
        if meant && !matches!(event.kind, EventKind::Access(_)) {
            // Full: a change is told already.
            let _ = changed.try_send(());
        }
    };
    let mut watcher = notify::recommended_watcher(on_event)
        .inspect_err(
            |error| tracing::warn!(%error, "certificates are not watched, and looked at each minute"),
        )
        .ok()?;
    for folder in folders {
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        if let Err(error) = watcher.watch(&folder, RecursiveMode::NonRecursive) {
            let folder = folder.display();
            tracing::warn!(%error, %folder, "certificates there are not watched, and looked at each minute");
        }
    }
    Some(watcher)
}
