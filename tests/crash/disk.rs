//! A file system of its own on a loop device, and the end of its power: nothing that was not synced is written back.

use std::path::{Path, PathBuf};
use std::process::Command;

const SIZE: &str = "1G";

/// Unmounted when dropped.
pub struct Disk {
    image: PathBuf,
    pub point: PathBuf,
    mounted: bool,
}

impl Disk {
    /// A mounted ext4 below `dir`, or why there cannot be one.
    pub fn new(dir: &Path) -> Result<Disk, String> {
        let (image, point) = (dir.join("disk.img"), dir.join("disk"));
        run("sh", &["-c", "command -v xfs_io mkfs.ext4 mount"])?;
        run("truncate", &["-s", SIZE, path(&image)])?;
        run("mkfs.ext4", &["-q", "-F", path(&image)])?;
        std::fs::create_dir(&point).map_err(|error| error.to_string())?;
        let mut disk = Disk { image, point, mounted: false };
        disk.mount()?;
        Ok(disk)
    }

    pub fn mount(&mut self) -> Result<(), String> {
        run("mount", &["-o", "loop", path(&self.image), path(&self.point)])?;
        self.mounted = true;
        Ok(())
    }

    pub fn unmount(&mut self) -> Result<(), String> {
        run("umount", &[path(&self.point)])?;
        self.mounted = false;
        Ok(())
    }

    /// Everything so far is written.
    pub fn sync(&self) -> Result<(), String> {
        run("sync", &["-f", path(&self.point)])
    }

    /// The power goes: no write reaches the image any more, nor does ext4 write out its log.
    pub fn cut(&self) -> Result<(), String> {
        run("xfs_io", &["-x", "-c", "shutdown", path(&self.point)])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted {
            let _ = run("umount", &["-l", path(&self.point)]);
        }
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

fn run(program: &str, words: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(words).output().map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program} {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim())),
    }
}
