//! hostPath: a path of the host, checked against the type asked for.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::path::PathBuf;

use super::{VolumeError, blocking};

/// Checks, and makes what may be made.
pub(super) async fn check(path: &str, type_: &str) -> Result<PathBuf, VolumeError> {
    let (text, wanted) = (path.to_owned(), type_.to_owned());
    blocking(move || check_now(&text, &wanted)).await
}

fn check_now(text: &str, type_: &str) -> Result<PathBuf, VolumeError> {
    let path = PathBuf::from(text);
    let refuse = |wanted| Err(VolumeError::HostPathType { path: text.to_owned(), wanted });
    match type_ {
        // Nothing asked: what is missing, the runtime makes as a directory.
        "" => return Ok(path),
        "DirectoryOrCreate" if !path.exists() => {
            let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(&path);
            made.map_err(VolumeError::io("create directory", &path))?;
        }
        "FileOrCreate" if !path.exists() => {
            let made = fs::OpenOptions::new().create(true).append(true).open(&path);
            made.map_err(VolumeError::io("create", &path))?;
        }
        _ => {}
    }
    let kind = fs::metadata(&path).map(|meta| meta.file_type()).ok();
    let is = |test: fn(&fs::FileType) -> bool| kind.as_ref().is_some_and(test);
    match type_ {
        "Directory" | "DirectoryOrCreate" if !is(fs::FileType::is_dir) => refuse("directory"),
        "File" | "FileOrCreate" if !is(fs::FileType::is_file) => refuse("file"),
        "Socket" if !is(FileTypeExt::is_socket) => refuse("socket file"),
        "CharDevice" if !is(FileTypeExt::is_char_device) => refuse("character device"),
        "BlockDevice" if !is(FileTypeExt::is_block_device) => refuse("block device"),
        "Directory" | "DirectoryOrCreate" | "File" | "FileOrCreate" | "Socket" | "CharDevice"
        | "BlockDevice" => Ok(path),
        other => Err(VolumeError::Unsupported(format!("hostPath of type {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types() {
        let directory = std::env::temp_dir().join(format!("kubelet-host-path-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        let root = directory.display().to_string();
        let check = |path: &str, type_: &str, expected: Result<(), &str>| {
            let found = check_now(path, type_).map(|_| ()).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{path} {type_}");
        };
        check(&root, "Directory", Ok(()));
        let file = format!("{root}/file");
        check(&file, "", Ok(()));
        check(&file, "File", Err(&format!("hostPath type check failed: {file} is not a file")));
        check(&file, "FileOrCreate", Ok(()));
        check(&file, "File", Ok(()));
        check(&file, "Directory", Err(&format!("hostPath type check failed: {file} is not a directory")));
        check(&file, "Socket", Err(&format!("hostPath type check failed: {file} is not a socket file")));
        check("/dev/null", "CharDevice", Ok(()));
        check(&format!("{root}/a/b"), "DirectoryOrCreate", Ok(()));
        fs::remove_dir_all(&directory).expect("removed");
    }
}
