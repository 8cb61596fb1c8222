//! A real browser: Chromium, by its driver. What it loads and what it complains of is watched.

use fantoccini::{Client, ClientBuilder, Locator, elements::Element};
use serde_json::{Value, json};
use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// How long something may take to appear.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Browser {
    runtime: Runtime,
    client: Option<Client>,
    driver: Child,
    /// Address of the driver, with the session.
    session: String,
    /// The only host that pages may load from.
    home: String,
    /// Where pictures of the pages go.
    pictures: PathBuf,
}

impl Browser {
    /// A browser that has never been anywhere.
    pub fn open(home: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`make setup` installs Debian's chromium-driver");
        let runtime = Runtime::new().unwrap();
        let capabilities = json!({
            "goog:chromeOptions": {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"]},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        });
        let address = format!("http://127.0.0.1:{port}");
        let (client, session) = runtime.block_on(async {
            let deadline = Instant::now() + PATIENCE;
            loop {
                let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
                match builder.capabilities(capabilities.as_object().unwrap().clone()).connect(&address).await {
                    Ok(client) => {
                        let id = client.session_id().await.unwrap().unwrap();
                        return (client, format!("{address}/session/{id}"));
                    }
                    Err(error) => assert!(Instant::now() < deadline, "the browser does not start: {error}"),
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let pictures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/pages");
        fs::create_dir_all(&pictures).unwrap();
        Self { runtime, client: Some(client), driver, session, home: home.to_owned(), pictures }
    }

    fn client(&self) -> &Client {
        self.client.as_ref().unwrap()
    }

    pub fn goto(&self, path: &str) {
        self.runtime.block_on(self.client().goto(&format!("{}{path}", self.home))).unwrap();
    }

    /// The path of the page that is shown.
    pub fn path(&self) -> String {
        self.runtime.block_on(self.client().current_url()).unwrap().path().to_owned()
    }

    pub fn run(&self, script: &str) -> Value {
        self.runtime.block_on(self.client().execute(script, Vec::new())).unwrap()
    }

    /// Waits until there is such an element.
    fn find(&self, css: &str) -> Element {
        let found = self.runtime.block_on(self.client().wait().at_most(PATIENCE).for_element(Locator::Css(css)));
        found.unwrap_or_else(|error| panic!("no `{css}` on {}: {error}\n{}", self.path(), self.text("main")))
    }

    pub fn wait_for(&self, css: &str) {
        self.find(css);
    }

    pub fn has(&self, css: &str) -> bool {
        self.count(css) > 0
    }

    pub fn count(&self, css: &str) -> usize {
        self.runtime.block_on(self.client().find_all(Locator::Css(css))).unwrap().len()
    }

    pub fn text(&self, css: &str) -> String {
        let script = format!("return document.querySelector({})?.innerText ?? ''", json!(css));
        self.run(&script).as_str().unwrap_or_default().to_owned()
    }

    pub fn click(&self, css: &str) {
        let element = self.find(css);
        self.runtime.block_on(element.click()).unwrap_or_else(|error| panic!("`{css}` on {}: {error}", self.path()));
    }

    /// Types over what stands in a field.
    pub fn fill(&self, css: &str, text: &str) {
        let element = self.find(css);
        self.runtime.block_on(async {
            element.clear().await.unwrap();
            element.send_keys(text).await.unwrap();
        });
    }

    /// Chooses a file, whose field cannot be cleared.
    pub fn choose_file(&self, css: &str, path: &str) {
        let element = self.find(css);
        self.runtime.block_on(element.send_keys(path)).unwrap();
    }

    pub fn select(&self, css: &str, value: &str) {
        let element = self.find(css);
        self.runtime.block_on(element.select_by_value(value)).unwrap();
    }

    pub fn back(&self) {
        self.runtime.block_on(self.client().back()).unwrap();
    }

    /// Fails where a page complained or loaded from elsewhere, since the last time that this was asked.
    pub fn check(&self) {
        assert_eq!(self.take_complaints(), Vec::<String>::new(), "on {}", self.path());
        let requests = self.take_log("performance").into_iter().filter_map(|entry| {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &message["message"];
            (message["method"] == "Network.requestWillBeSent").then(|| message["params"]["request"]["url"].clone())
        });
        for url in requests {
            let url = url.as_str().unwrap();
            assert!(url.starts_with(&format!("{}/", self.home)) || url.starts_with("data:"), "asked for {url}");
        }
    }

    /// What the console said that is worse than a hint.
    pub fn take_complaints(&self) -> Vec<String> {
        let bad = |entry: &Value| ["SEVERE", "WARNING"].iter().any(|level| entry["level"] == *level);
        self.take_log("browser").iter().filter(|entry| bad(entry)).map(|entry| entry["message"].to_string()).collect()
    }

    fn take_log(&self, kind: &str) -> Vec<Value> {
        let body = self.command("se/log", &json!({"type": kind}));
        body.as_array().cloned().unwrap_or_default()
    }

    /// A command that WebDriver itself does not have.
    fn command(&self, path: &str, body: &Value) -> Value {
        self.runtime.block_on(async {
            let answer =
                reqwest::Client::new().post(format!("{}/{path}", self.session)).json(body).send().await.unwrap();
            answer.json::<Value>().await.unwrap()["value"].clone()
        })
    }

    fn devtools(&self, command: &str, params: Value) {
        self.command("goog/cdp/execute", &json!({"cmd": command, "params": params}));
    }

    fn resize(&self, width: u64, height: u64) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", size);
    }

    /// Takes pictures of the page at two widths, light and dark, and checks that it fits both.
    pub fn picture(&self, name: &str) {
        for scheme in ["light", "dark"] {
            let feature = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
            self.devtools("Emulation.setEmulatedMedia", feature);
            for width in [1280, 400] {
                self.resize(width, 800);
                let size = self.run("const it = document.documentElement; return [it.scrollWidth, it.scrollHeight]");
                assert!(size[0].as_u64().unwrap() <= width, "{name} is {} wide at {width}", size[0]);
                self.resize(width, size[1].as_u64().unwrap().clamp(800, 6000));
                let picture = self.runtime.block_on(self.client().screenshot()).unwrap();
                fs::write(self.pictures.join(format!("{name}-{width}-{scheme}.png")), picture).unwrap();
            }
        }
        self.resize(1280, 900);
        self.check_reading(name);
    }

    /// What somebody needs who cannot see the page: one first heading, names for fields, buttons and pictures.
    fn check_reading(&self, name: &str) {
        let nameless = self.run(
            "const named = (it) => it.labels?.length || it.getAttribute('aria-label') || it.textContent.trim();
             const fields = [...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a[href]')];
             const pictures = [...document.querySelectorAll('img:not([alt]), svg:not([aria-label])')];
             return fields.filter((it) => !named(it)).concat(pictures).map((it) => it.outerHTML.slice(0, 120));",
        );
        assert_eq!(nameless, json!([]), "{name}");
        assert_eq!(self.run("return document.querySelectorAll('h1').length"), 1, "{name}");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            let _ = self.runtime.block_on(client.close());
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
