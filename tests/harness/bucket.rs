//! A bucket on a server that speaks S3, which `make test-bucket` installs.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The S3 server; ended with the value.
pub struct Bucket {
    child: Child,
    url: String,
    pub http: reqwest::blocking::Client,
}

impl Bucket {
    pub fn start() -> Self {
        let program = std::env::var("MOTO_SERVER").expect("MOTO_SERVER names the program");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let child = Command::new(program).args(["-p", &port]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let (child, address) = (child.unwrap(), format!("127.0.0.1:{port}"));
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(&address).is_err() {
            assert!(Instant::now() < deadline, "the S3 server does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        let bucket = Self { child, url: format!("http://{address}"), http: reqwest::blocking::Client::new() };
        assert_eq!(bucket.http.put(format!("{}/tables", bucket.url)).send().unwrap().status(), 200);
        bucket
    }

    /// Has every process that is started from now on keep its objects there. For tests that are alone in their process.
    pub fn set_environment(&self) {
        let settings = [
            ("AWS_ENDPOINT", self.url.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AUTODENOISE_OBJECT_STORE", "s3://tables/team"),
        ];
        for (name, value) in settings {
            // SAFETY: the only test of its process, and no thread reads the environment yet.
            unsafe { std::env::set_var(name, value) };
        }
    }

    pub fn object(&self, name: &str) -> String {
        format!("{}/tables/team/{name}", self.url)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.http.head(self.object(name)).send().unwrap().status() == 200
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
