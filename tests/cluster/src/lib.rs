//! A PostgreSQL server of its own for each test program, in a folder that is wiped afterwards,
//! whatever becomes of the program. Without PostgreSQL the tests that need it fail: `cargo xtask
//! test` installs it.

mod proxy;

pub use proxy::{COMES_LATE, IS_LOST, LATE, LOSES_THE_ANSWER, Proxy};

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where Debian keeps the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The password of the users `scram` and `md5`.
pub const PASSWORD: &str = "s3cret/with:signs@";

/// The server. When this is dropped, or its process ends, it is stopped and wiped.
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    watcher: Child,
}

/// The newest programs of PostgreSQL that are installed.
fn programs() -> PathBuf {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut found: Vec<_> = versions
        .filter_map(|version| version.file_name().to_str()?.parse::<u32>().ok())
        .filter(|version| Path::new(&format!("{DEBIAN}/{version}/bin/initdb")).exists())
        .collect();
    found.sort_unstable();
    let newest = found.pop();
    let newest = newest.expect("PostgreSQL is not installed; `cargo xtask test` installs it");
    PathBuf::from(format!("{DEBIAN}/{newest}/bin"))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// What `id -u postgres` and `id -g postgres` say.
fn id_of_postgres(which: &str) -> u32 {
    let output = Command::new("id")
        .args([which, "postgres"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// Waits for the end of the test program, and then ends the server and wipes its folder.
const WATCH: &str = r#"trap "" INT TERM HUP; cat > /dev/null
pid=$(head -1 "$1/data/postmaster.pid") && kill -QUIT "$pid"
while kill -0 "$pid" 2> /dev/null; do sleep 0.05; done; rm -rf "$1""#;

impl Cluster {
    /// The server of this program.
    pub fn shared() -> &'static Cluster {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Cluster::start)
    }

    /// Another one, for tests that stop it.
    pub fn start() -> Cluster {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tenantry-pg-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        if is_root() {
            // The server refuses to be root's.
            let ids = ["-u", "-g"].map(id_of_postgres);
            chown(&folder, Some(ids[0]), Some(ids[1])).unwrap();
        }
        let watcher = Command::new("sh")
            .args(["-c", WATCH, "watch"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let cluster = Cluster {
            programs: programs(),
            port: TcpListener::bind("127.0.0.1:0")
                .and_then(|free| free.local_addr())
                .unwrap()
                .port(),
            folder,
            watcher,
        };
        cluster.create();
        cluster.control(&["start"]);
        cluster.sql(&format!(
            "SET password_encryption = 'scram-sha-256';
             CREATE ROLE scram LOGIN SUPERUSER PASSWORD '{PASSWORD}';
             SET password_encryption = 'md5';
             CREATE ROLE md5 LOGIN SUPERUSER PASSWORD '{PASSWORD}';"
        ));
        cluster
    }

    fn create(&self) {
        let data = self.data();
        let mut initdb = self.program("initdb");
        initdb.args([
            "-A",
            "trust",
            "-U",
            "app",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
            "-D",
        ]);
        succeed(initdb.arg(&data));
        self.make_certificate();
        let config = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\n\
             fsync = off\nfull_page_writes = off\nmax_connections = 300\nshared_buffers = 32MB\n\
             ssl = on\nssl_key_file = 'server.key'\nssl_cert_file = '../server.crt'\n",
            self.port,
            self.folder.display()
        );
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(data.join("postgresql.conf"))
            .unwrap();
        file.write_all(config.as_bytes()).unwrap();
        let access = "local all all trust\nhost all scram 127.0.0.1/32 scram-sha-256\n\
                      host all md5 127.0.0.1/32 md5\nhost all all 127.0.0.1/32 trust\n";
        fs::write(data.join("pg_hba.conf"), access).unwrap();
    }

    /// One that is no authority: such a one proves nobody's name.
    fn make_certificate(&self) {
        let how = "[req]\ndistinguished_name = name\nx509_extensions = all\n[name]\n[all]\n\
                   basicConstraints = critical, CA:FALSE\nsubjectAltName = DNS:localhost\n";
        let config = self.folder.join("openssl.cnf");
        fs::write(&config, how).unwrap();
        let mut openssl = self.as_server("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt"]);
        openssl.args([
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ]);
        openssl.arg("-config").arg(config).arg("-keyout");
        openssl.arg(self.data().join("server.key"));
        succeed(openssl.arg("-out").arg(self.certificate()));
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn as_server(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("runuser");
                command.args(["-u", "postgres", "--"]).arg(program);
                command
            }
            false => Command::new(program),
        };
        command.current_dir(&self.folder);
        command
    }

    fn program(&self, name: &str) -> Command {
        self.as_server(self.programs.join(name))
    }

    fn control(&self, what: &[&str]) {
        let mut control = self.program("pg_ctl");
        control
            .args(["-s", "-w", "-l"])
            .arg(self.folder.join("log"));
        // The server keeps what it inherits, and nobody would see the end of a pipe.
        control.arg("-D").arg(self.data()).args(what);
        let log = fs::File::create(self.folder.join("control.log")).unwrap();
        let status = control.stdout(Stdio::null()).stderr(log).status().unwrap();
        assert!(status.success(), "{control:?}: {status}");
    }

    /// As if the power failed and came back: no connection is ended as it should.
    pub fn crash_and_start_again(&self) {
        self.control(&["restart", "-m", "immediate"]);
    }

    /// Runs statements as the user `app`, and answers what they print.
    pub fn sql(&self, text: &str) -> String {
        let output = Command::new(self.programs.join("psql"))
            .args([
                "-U",
                "app",
                "-d",
                "postgres",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-h",
            ])
            .arg(&self.folder)
            .args(["-p", &self.port.to_string(), "-c", text])
            .output()
            .unwrap();
        assert!(output.status.success(), "{text}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate of the server, whose name is `localhost`.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("server.crt")
    }

    /// An address of a store that is not there yet, by the socket of the server.
    pub fn new_address(&self) -> String {
        self.address_of(&self.new_schema())
    }

    /// The address of the store in a schema.
    pub fn address_of(&self, schema: &str) -> String {
        let folder = self.folder.display().to_string();
        format!(
            "postgresql://app@{}:{}/postgres?schema={schema}",
            folder.replace('/', "%2F"),
            self.port
        )
    }

    /// The name of a schema that is not there yet.
    pub fn new_schema(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The watcher sees the end of its input.
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}
