//! What goes into which image: one row for each of our programs, and one function for each foreign one.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{
    debian,
    libraries::add_program,
    oci::{Entry, Image},
};
use crate::{
    build::Binaries,
    process::{command, find_program, output_of},
};

/// An image to be made.
pub struct Recipe {
    /// Full name with tag.
    pub name: String,
    /// Name of the archive, without extension.
    pub file_name: &'static str,
    pub image: Result<Image>,
}

const REPOSITORY: &str = "registry.k8s.io";
const LIBRARY: &str = "docker.io/library";
/// Versions as `kubeadm config images list` names them.
const KUBERNETES_VERSION: &str = "v1.36.0";
const PAUSE_VERSION: &str = "3.10.2";
const DNS_VERSION: &str = "v1.14.2";
const SEARCH_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An image around one of our programs.
struct Own {
    program: &'static str,
    /// The image's name below the repository, with its tag.
    name: &'static str,
    version: &'static str,
    /// Where the program is inside.
    place: &'static str,
    user: &'static str,
    /// Programs of the system it calls.
    helpers: &'static [&'static str],
}

const OWN: [Own; 7] = [
    component("kube-apiserver"),
    component("kube-controller-manager"),
    component("kube-scheduler"),
    Own { helpers: &["nft", "conntrack"], ..component("kube-proxy") },
    Own { helpers: &["nft"], ..component("node-network") },
    Own {
        program: "cluster-dns",
        name: "coredns/coredns",
        version: DNS_VERSION,
        place: "/coredns",
        user: "",
        helpers: &[],
    },
    Own {
        program: "pause",
        name: "pause",
        version: PAUSE_VERSION,
        place: "/pause",
        user: "65535:65535",
        helpers: &[],
    },
];

const fn component(name: &'static str) -> Own {
    Own { program: name, name, version: KUBERNETES_VERSION, place: "", user: "", helpers: &[] }
}

/// All images, in the order in which a cluster needs them.
pub fn all(root: &Path, binaries: &Binaries, stage: &Path) -> Result<Vec<Recipe>> {
    std::fs::create_dir_all(stage).with_context(|| format!("failed to create {}", stage.display()))?;
    let mut recipes: Vec<Recipe> = OWN
        .iter()
        .map(|own| Recipe {
            name: format!("{REPOSITORY}/{}:{}", own.name, own.version),
            file_name: own.program,
            image: own_image(own, binaries),
        })
        .collect();
    let etcd = etcd_program(stage)?;
    recipes.push(Recipe {
        name: format!("{REPOSITORY}/etcd:{}-0", etcd_version(&etcd)?),
        file_name: "etcd",
        image: etcd_image(&etcd),
    });
    let redis = debian::unpack(stage, "redis-server")?;
    recipes.push(Recipe {
        name: format!("{LIBRARY}/redis:{}", short_version(&redis.version)),
        file_name: "redis",
        image: redis_image(stage, &redis.root),
    });
    let busybox = debian::unpack(stage, "busybox-static")?;
    recipes.push(Recipe {
        name: format!("{LIBRARY}/busybox:{}", short_version(&busybox.version)),
        file_name: "busybox",
        image: busybox_image(&busybox.root),
    });
    // The licence of what is inside goes with it.
    for recipe in &mut recipes {
        if let Ok(image) = &mut recipe.image
            && OWN.iter().any(|own| own.program == recipe.file_name)
        {
            image.add("/LICENSE", Entry::Copy { from: root.join("LICENSE"), mode: 0o644 });
        }
    }
    Ok(recipes)
}

fn own_image(own: &Own, binaries: &Binaries) -> Result<Image> {
    let place =
        if own.place.is_empty() { format!("/usr/local/bin/{}", own.program) } else { own.place.to_owned() };
    let mut config = json!({"Entrypoint": [place], "Env": [SEARCH_PATH], "WorkingDir": "/"});
    if !own.user.is_empty() {
        config["User"] = json!(own.user);
    }
    let mut image = base(config);
    image.add(&place, Entry::Copy { from: binaries.path(own.program), mode: 0o755 });
    for helper in own.helpers {
        let program =
            find_program(helper).with_context(|| format!("the program {helper} is not installed"))?;
        add_program(&mut image, &format!("/usr/sbin/{helper}"), &program, &[])?;
    }
    Ok(image)
}

/// What every program may expect.
fn base(config: Value) -> Image {
    let mut image = Image::new(config);
    image.add("/tmp", Entry::Directory { mode: 0o1777 });
    image.add(
        "/etc/passwd",
        text("root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n"),
    );
    image.add("/etc/group", text("root:x:0:\nnogroup:x:65534:\n"));
    image.add("/etc/nsswitch.conf", text("hosts: files dns\n"));
    image
}

fn text(contents: &str) -> Entry {
    Entry::Text { contents: contents.to_owned(), mode: 0o644 }
}

/// The system's etcd, or the one of Debian's package.
fn etcd_program(stage: &Path) -> Result<PathBuf> {
    match find_program("etcd") {
        Some(program) => Ok(program),
        None => Ok(debian::unpack(stage, "etcd-server")?.root.join("usr/bin/etcd")),
    }
}

/// The version an etcd program says it has, such as `3.4.23`.
fn etcd_version(program: &Path) -> Result<String> {
    let text = output_of(&mut command(&program.to_string_lossy(), ["--version"]))?;
    let version = text.lines().find_map(|line| line.strip_prefix("etcd Version: "));
    version.map(|version| version.trim().to_owned()).context("etcd does not tell its version")
}

fn etcd_image(program: &Path) -> Result<Image> {
    let mut image =
        base(json!({"Entrypoint": ["/usr/local/bin/etcd"], "Env": [SEARCH_PATH], "WorkingDir": "/"}));
    add_program(&mut image, "/usr/local/bin/etcd", program, &[])?;
    if let Some(control) = find_program("etcdctl") {
        add_program(&mut image, "/usr/local/bin/etcdctl", &control, &[])?;
    }
    Ok(image)
}

fn redis_image(stage: &Path, root: &Path) -> Result<Image> {
    let tools = debian::unpack(stage, "redis-tools")?;
    let busybox = debian::unpack(stage, "busybox-static")?;
    // Debian's package has one program under two names; the tools package may be the one that holds it.
    let in_root = |root: &Path, name: &str| {
        let path = root.join("usr/bin").join(name);
        path.exists().then_some(path)
    };
    let server = in_root(root, "redis-check-rdb")
        .or_else(|| in_root(&tools.root, "redis-check-rdb"))
        .or_else(|| in_root(root, "redis-server"))
        .context("the package redis-server has no program")?;
    let mut image = base(json!({
        // Reached from other pods, which is what it is for here.
        "Entrypoint": ["/usr/bin/redis-server", "--protected-mode", "no", "--dir", "/data"],
        "Env": [SEARCH_PATH],
        "ExposedPorts": {"6379/tcp": {}},
        "User": "999:999",
        "Volumes": {"/data": {}},
        "WorkingDir": "/data",
    }));
    image.add("/etc/passwd", text("root:x:0:0:root:/root:/bin/sh\nredis:x:999:999:redis:/data:/bin/sh\n"));
    image.add("/etc/group", text("root:x:0:\nredis:x:999:\n"));
    image.add("/data", Entry::Directory { mode: 0o777 });
    let folders = debian::library_folders(stage, "redis-tools", &server)
        .or_else(|_| debian::library_folders(stage, "redis-server", &server))?;
    add_program(&mut image, "/usr/bin/redis-server", &server, &folders)?;
    if let Some(client) = in_root(&tools.root, "redis-cli") {
        let folders = debian::library_folders(stage, "redis-tools", &client)?;
        add_program(&mut image, "/usr/bin/redis-cli", &client, &folders)?;
    }
    add_busybox(
        &mut image,
        &busybox.root,
        &["sh", "ls", "cat", "ps", "sleep", "nc", "wget", "env", "id", "kill"],
    )?;
    Ok(image)
}

fn busybox_image(root: &Path) -> Result<Image> {
    let mut image = base(json!({"Cmd": ["sh"], "Env": [SEARCH_PATH], "WorkingDir": "/"}));
    let program = busybox_program(root)?;
    let list = output_of(&mut command(&program.to_string_lossy(), ["--list"]))?;
    let names: Vec<&str> = list.lines().collect();
    add_busybox(&mut image, root, &names)?;
    Ok(image)
}

fn busybox_program(root: &Path) -> Result<PathBuf> {
    ["bin/busybox", "usr/bin/busybox"]
        .into_iter()
        .map(|path| root.join(path))
        .find(|path| path.exists())
        .context("the package busybox-static has no program")
}

fn add_busybox(image: &mut Image, root: &Path, names: &[&str]) -> Result<()> {
    image.add("/bin/busybox", Entry::Copy { from: busybox_program(root)?, mode: 0o755 });
    for name in names.iter().filter(|name| **name != "busybox") {
        image.add(&format!("/bin/{name}"), Entry::Link { target: "busybox".to_owned() });
    }
    Ok(())
}

/// The first two numbers of a package's version: `5:7.0.15-1` is `7.0`.
fn short_version(version: &str) -> String {
    let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
    let numbers: Vec<&str> = upstream.split(['.', '-', '+', '~']).take(2).collect();
    numbers.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_shortened() {
        assert_eq!(short_version("5:7.0.15-1~deb12u6"), "7.0");
        assert_eq!(short_version("1:1.35.0-4+b7"), "1.35");
    }
}
