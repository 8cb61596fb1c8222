//! Where the service listens, and what it finds: sockets of this machine, databases and buckets that are away.

use super::harness;
use harness::{BIN, Service, scratch};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    os::{
        fd::AsRawFd,
        unix::net::{UnixListener, UnixStream},
        unix::process::CommandExt,
    },
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
};

/// A server, ended with the value.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        harness::signal(self.0.id(), libc::SIGTERM);
        self.0.wait().ok();
    }
}

fn serve(data: &Path) -> Command {
    let mut command = Command::new(BIN);
    command.args(["serve", "--no-worker", "--data-dir"]).arg(data).stdout(Stdio::piped()).stderr(Stdio::null());
    command.env_remove("DATABASE_URL");
    command
}

/// Starts it and waits until it says where it listens.
fn start(mut command: Command) -> (Ended, String) {
    let mut child = command.spawn().unwrap();
    let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    (Ended(child), line)
}

fn ask(socket: &Path, host: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    write!(stream, "GET /v1/jobs HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap().to_owned()
}

#[test]
fn a_socket_of_this_machine_is_listened_on_by_name_or_from_systemd() {
    let dir = scratch();
    let (data, socket) = (dir.path().join("data"), dir.path().join("s"));
    let mut command = serve(&data);
    command.args(["--listen", &format!("unix:{}", socket.display())]);
    let (server, said) = start(command);
    assert_eq!(said, format!("listening on unix:{}", socket.display()));
    assert_eq!(ask(&socket, "localhost"), "HTTP/1.1 200 OK");
    assert_eq!(ask(&socket, "evil.example"), "HTTP/1.1 403 Forbidden");
    drop(server);

    let handed_over = dir.path().join("h");
    let listener = UnixListener::bind(&handed_over).unwrap();
    let descriptor = listener.as_raw_fd();
    let script = format!(
        "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" serve --no-worker --listen systemd --data-dir \"$1\" 3<&{descriptor}"
    );
    // Other shells know descriptors of one digit only, and beside other tests this one has more.
    let mut command = Command::new("bash");
    command
        .args(["-c", &script, BIN])
        .arg(&data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .env_remove("DATABASE_URL");
    // SAFETY: nothing but a flag of a descriptor is changed between fork and exec.
    unsafe {
        command.pre_exec(move || match libc::fcntl(descriptor, libc::F_SETFD, 0) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        })
    };
    let (_server, said) = start(command);
    assert_eq!(said, "listening on systemd");
    assert_eq!(ask(&handed_over, "localhost"), "HTTP/1.1 200 OK");
}

fn migrate(data: &Path, url: &str) -> Output {
    Command::new(BIN).args(["migrate", "--database-url", url, "--data-dir"]).arg(data).output().unwrap()
}

#[test]
fn databases_are_found_by_their_sockets_and_named_where_they_are_away() {
    let dir = scratch();
    let other = dir.path().join("other");
    let service = Service::start_with(&dir.path().join("data"), &["--no-worker"]);
    let folder = service.data.join("postgres");
    let password = fs::read_to_string(folder.join("password")).unwrap();
    let address = format!("postgres://autodenoise:{password}@/autodenoise?host={}", folder.display());
    let migrated = migrate(&other, &address);
    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    let unknown = migrate(&other, &format!("{address}&pool_key=s3cret"));
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert!(unknown.status.success() && said.contains("pool_key") && !said.contains("s3cret"), "{said}");

    let away = migrate(&other, "postgres://u:s3cret@127.0.0.1:1/d");
    let said = String::from_utf8_lossy(&away.stderr);
    assert!(!away.status.success() && said.contains("127.0.0.1:1") && said.contains("refused"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    let wrong = migrate(&other, "mysql://u:s3cret@h/d");
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert!(wrong.status.code() == Some(2) && !said.contains("s3cret"), "{said}");
}

/// A bucket that answers every request alike.
fn bucket(answer: Arc<Mutex<String>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), answer.clone());
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                    head.push(byte[0]);
                }
                stream.write_all(answer.lock().unwrap().as_bytes()).ok();
            });
        }
    });
    address
}

#[test]
fn trouble_with_the_bucket_is_said_before_and_is_nobodys_mistake() {
    let dir = scratch();
    let reply = |status: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    };
    let denied = reply("403 Forbidden", "<Error><Code>SignatureDoesNotMatch</Code></Error>");
    let answers = Arc::new(Mutex::new(denied.clone()));
    let mut command = serve(&dir.path().join("data"));
    command.args(["--listen", "127.0.0.1:0", "--object-store", "s3://tables/team"]);
    let settings = [
        ("AWS_ENDPOINT", bucket(answers.clone())),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "wr0ng".to_owned()),
    ];
    command.envs(settings);
    let (_server, said) = start(command);
    let url = said.strip_prefix("listening on ").unwrap();
    let http = reqwest::blocking::Client::new();
    let missing = reply("404 Not Found", "<Error><Code>NoSuchBucket</Code></Error>");
    for trouble in [denied, missing] {
        *answers.lock().unwrap() = trouble;
        std::thread::sleep(std::time::Duration::from_millis(5100));
        let ready = http.get(format!("{url}/readyz")).send().unwrap();
        assert_eq!(ready.status(), 503);
        let body: Value = ready.json().unwrap();
        assert!(body["reasons"][0].as_str().unwrap().contains("object store"), "{body}");
        let upload = http.post(format!("{url}/v1/datasets?label=click")).header("content-type", "text/csv");
        let refused = upload.body("user,click\n1,0\n").send().unwrap();
        assert_eq!(refused.status(), 503);
        assert!(refused.headers().contains_key("retry-after"));
    }
    let empty = "<ListBucketResult><Name>tables</Name><IsTruncated>false</IsTruncated></ListBucketResult>";
    *answers.lock().unwrap() = reply("200 OK", empty);
    std::thread::sleep(std::time::Duration::from_millis(5100));
    assert_eq!(http.get(format!("{url}/readyz")).send().unwrap().status(), 200);
}

#[test]
fn without_a_home_nothing_is_put_into_tmp() {
    // SAFETY: no preconditions.
    if unsafe { libc::geteuid() } == 0 {
        return;
    }
    let tried = Command::new(BIN).arg("migrate").env_remove("HOME").env_remove("XDG_DATA_HOME").output().unwrap();
    let said = String::from_utf8_lossy(&tried.stderr);
    assert!(tried.status.code() == Some(2) && said.contains("HOME is not set"), "{said}");
}
