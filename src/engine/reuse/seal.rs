//! Seals secrets, so that a key can tell one value from another and nobody can tell the value from the key.
//!
//! HMAC-SHA-256 (RFC 2104) under a secret of this person on this machine, which is kept outside the state folder and in
//! no cache: whoever gets hold of a cache cannot try values against it.

use crate::base::Digest;
use crate::event::NotCached;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Bytes of the secret.
const LEN: usize = 32;

/// Where the secret is; it is read, or made, when it is first needed.
#[derive(Debug)]
pub struct Seal {
    file: Option<PathBuf>,
    /// May the secret be made?
    makes: bool,
    secret: OnceLock<Result<[u8; LEN], String>>,
}

impl Seal {
    /// `config`: the person's configuration folder (`$XDG_CONFIG_HOME` or `~/.config`), if there is one.
    pub fn new(config: Option<PathBuf>) -> Self {
        Self { file: config.map(|folder| folder.join("wf").join("seal")), makes: true, secret: OnceLock::new() }
    }

    /// To look only: where there is no secret, none is made.
    #[must_use]
    pub fn looking(self) -> Self {
        Self { makes: false, ..self }
    }

    /// Can it be had without making it?
    pub fn is_made(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.is_file())
    }

    /// The seal of a variable's value.
    ///
    /// # Errors
    /// There is no place for the secret, or it cannot be read or made.
    pub fn of(&self, name: &str, value: &str) -> Result<Digest, NotCached> {
        let secret = self.secret.get_or_init(|| self.read_or_make().map_err(|error| error.to_string()));
        let failed =
            |message: &str| NotCached::Unreadable { path: format!("the seal for {name}"), message: message.to_owned() };
        let secret = secret.as_ref().map_err(|message| failed(message))?;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|error| failed(&error.to_string()))?;
        mac.update(name.as_bytes());
        mac.update(&[0]);
        mac.update(value.as_bytes());
        Ok(Digest::from_bytes(mac.finalize().into_bytes().into()))
    }

    fn read_or_make(&self) -> io::Result<[u8; LEN]> {
        let file = self.file.as_ref().ok_or_else(|| io::Error::other("there is no home folder to keep it in"))?;
        let whole = |bytes: Vec<u8>| {
            <[u8; LEN]>::try_from(bytes).map_err(|_| io::Error::other(format!("{} is no seal of wf's", file.display())))
        };
        match std::fs::read(file) {
            Ok(bytes) => return whole(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.makes => {}
            Err(error) => return Err(error),
        }
        let folder = file.parent().unwrap_or(file);
        std::fs::create_dir_all(folder)?;
        let mut secret = [0; LEN];
        io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut secret)?;
        // Two first runs at once agree on whichever secret was linked first.
        let mut made = tempfile::Builder::new().prefix(".seal-").tempfile_in(folder)?;
        std::fs::OpenOptions::new().mode(0o600).write(true).open(made.path())?;
        made.write_all(&secret)?;
        match made.persist_noclobber(file) {
            Ok(_) => Ok(secret),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => whole(std::fs::read(file)?),
            Err(error) => Err(error.error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_seal_is_the_same_again_and_tells_values_names_and_people_apart() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let seal = |dir: &tempfile::TempDir, name: &str, value: &str| {
            Seal::new(Some(dir.path().to_owned())).of(name, value).unwrap()
        };
        let first = seal(&dir, "TOKEN", "s3cr3t");
        assert_eq!(first, seal(&dir, "TOKEN", "s3cr3t"));
        assert_ne!(first, seal(&dir, "TOKEN", "other"));
        assert_ne!(first, seal(&dir, "TOKE", "Ns3cr3t"));
        assert_ne!(first, seal(&other, "TOKEN", "s3cr3t"));
        let mode = dir.path().join("wf/seal").metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
    }

    #[test]
    fn without_a_secret_there_is_no_seal() {
        assert!(Seal::new(None).of("A", "b").is_err());
        let dir = tempfile::tempdir().unwrap();
        let looking = Seal::new(Some(dir.path().to_owned())).looking();
        assert!(looking.of("A", "b").is_err() && !looking.is_made());
        assert_eq!(dir.path().read_dir().unwrap().count(), 0, "looking makes none");
        std::fs::create_dir(dir.path().join("wf")).unwrap();
        std::fs::write(dir.path().join("wf/seal"), "short").unwrap();
        assert!(Seal::new(Some(dir.path().to_owned())).of("A", "b").is_err());
    }
}
