//! Subscribing through the public door: the form and the programs' way, links that scanners follow, one click, caps,
//! the region's lists, imports. Letters are read where the gateway wrote them.

use serde_json::{Value, json};

use crate::client::{Answer, Caller};
use crate::common::{Gateway, Region, budkavle_reading};

const TOLVAN: &str = "tolvan@example.test";
const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

struct Stage {
    gateway: Gateway,
    /// Letters that were read already.
    read: usize,
}

impl Stage {
    fn set() -> Stage {
        let region =
            Region::prepare().with("[limits]\nsign-up-network-per-hour = 1000\npublic-write-per-minute = 1000");
        Stage { gateway: region.run(), read: 0 }
    }

    fn anyone(&self) -> Caller {
        self.gateway.anyone()
    }

    /// The next letters, `count` of them, without the wrapping of the mail.
    async fn letters(&mut self, count: usize) -> Vec<String> {
        let all = self.gateway.letters(self.read + count).await;
        let mut dated: Vec<_> = all.into_iter().map(|letter| letter.replace("\r\n", "\n").replace("=\n", "")).collect();
        assert_eq!(dated.len(), self.read + count);
        dated.sort_by_key(|letter| header(letter, "Message-ID"));
        self.read += count;
        dated.split_off(self.read - count)
    }

    /// The token of the one link of this beginning in the next letter.
    async fn token(&mut self, path: &str) -> String {
        let letter = self.letters(1).await.remove(0);
        let (_, rest) = letter.split_once(path).unwrap_or_else(|| panic!("{path} is not in {letter}"));
        rest.chars().take_while(char::is_ascii_alphanumeric).collect()
    }

    async fn sign_up(&self, address: &str) -> Answer {
        form(&self.anyone(), "/status/prenumerera", &[("epost", address), ("tjanster", "all"), ("slag", "alla")]).await
    }

    /// Signs up by form, confirms by button; the manage token.
    async fn subscribe(&mut self, address: &str) -> String {
        self.sign_up(address).await.expect(202);
        let token = self.token("/status/bekrafta/").await;
        let done = form(&self.anyone(), &format!("/status/bekrafta/{token}"), &[]).await.expect(200);
        link(&done, "/status/prenumeration/")
    }

    /// What an operator is shown of an address, which is typed and not an argument.
    fn shown(&self, address: &str) -> Value {
        let told = self.operate_typing(&["subscriber", "show", "--json"], address);
        serde_json::from_str::<Value>(&told).unwrap()["subscribers"].clone()
    }

    fn operate_typing(&self, arguments: &[&str], input: &str) -> String {
        let config = self.gateway.region.config();
        let told = budkavle_reading(&[arguments, &["--config", &config]].concat(), input);
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        String::from_utf8(told.stdout).unwrap()
    }
}

fn header(letter: &str, name: &str) -> String {
    let line = letter.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_default().to_owned()
}

/// The token of the page's first link of this beginning.
fn link(page: &Answer, path: &str) -> String {
    let text = page.text().replace("&#x2f;", "/");
    let (_, rest) = text.split_once(path).unwrap_or_else(|| panic!("{path} is not in {text}"));
    rest.chars().take_while(char::is_ascii_alphanumeric).collect()
}

async fn form(who: &Caller, path: &str, fields: &[(&str, &str)]) -> Answer {
    let pairs: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", value.replace('@', "%40"))).collect();
    let ask = who.ask("POST", path).header("accept", "text/html");
    ask.bytes("application/x-www-form-urlencoded", pairs.join("&")).await
}

async fn page(who: &Caller, path: &str) -> Answer {
    who.get(path).header("accept", "text/html").await
}

#[tokio::test]
async fn an_address_subscribes_by_form_letter_and_button_and_changes_its_mind() {
    let mut stage = Stage::set();
    let anyone = stage.anyone();
    let blank = page(&anyone, "/status/prenumerera").await.expect(200).text();
    assert!(blank.contains("name=\"epost\"") && !blank.contains("<script"), "{blank}");
    stage.sign_up(TOLVAN).await.expect(202);

    let letter = stage.letters(1).await.remove(0);
    assert_eq!(
        (header(&letter, "To").as_str(), header(&letter, "Auto-Submitted").as_str()),
        (TOLVAN, "auto-generated")
    );
    let (_, rest) = letter.split_once("/status/bekrafta/").unwrap();
    let token: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();

    let links = letter.replace("&#x2f;", "/").matches("https://").count();
    assert_eq!((links, letter.matches(&token).count()), (3, 3), "once in the text, twice in the HTML: {letter}");

    let path = format!("/status/bekrafta/{token}");
    let asks = page(&anyone, &path).await.expect(200).text();
    assert!(asks.contains("Alla tjänster") && asks.contains("<button"), "{asks}");
    let done = form(&anyone, &path, &[]).await.expect(200);
    let again = page(&anyone, &path).await.expect(200).text();
    assert!(again.contains("Du har redan bekräftat") && !again.contains("<button"), "{again}");
    form(&anyone, &path, &[]).await.expect(200);

    let manage = format!("/status/prenumeration/{}", link(&done, "/status/prenumeration/"));
    let kept = page(&anyone, &manage).await.expect(200).text();
    assert!(kept.contains("t…@example.test") && !kept.contains(TOLVAN), "{kept}");
    let fields = [("tjanster", "all"), ("slag", "arbeten"), ("nar", "dagligen"), ("klockan", "06:45"), ("sprak", "en")];
    let saved = form(&anyone, &manage, &fields).await.expect(200).text();
    assert!(saved.contains("06:45"), "{saved}");
    let shown = &stage.shown(TOLVAN)[0];
    assert_eq!(
        (&shown["state"], &shown["language"], &shown["dailyAt"]),
        (&json!("active"), &json!("en"), &json!("06:45"))
    );
    assert_eq!(shown["source"], "form");

    // Links are in the language that was chosen, and nothing but a good token opens them.
    page(&anyone, &format!("/en{manage}")).await.expect(200);
    page(&anyone, &format!("{manage}a")).await.expect(404);
    stage.gateway.log().lines().for_each(|line| assert!(!line.contains(&token) && !line.contains(TOLVAN), "{line}"));
}

#[tokio::test]
async fn what_is_wrong_is_told_beside_its_field_and_nothing_typed_is_lost() {
    let stage = Stage::set();
    let fields =
        [("epost", "tolvan.example.test"), ("tjanster", "group:finns-inte"), ("nar", "dagligen"), ("klockan", "kvart")];
    for (path, words) in
        [("/status/prenumerera", "Adressen saknar @"), ("/en/status/prenumerera", "The address has no @")]
    {
        let told = form(&stage.anyone(), path, &fields).await.expect(422).text();
        for part in
            [words, "value=\"tolvan.example.test\"", "value=\"kvart\"", "id=\"epost-fel\"", "id=\"klockan-fel\""]
        {
            assert!(told.contains(part), "{part} is not in {told}");
        }
    }
    // Not even a page of another site can send it in somebody's name.
    let anyone = stage.anyone();
    let foreign = anyone.ask("POST", "/status/prenumerera").header("sec-fetch-site", "cross-site");
    foreign.bytes("application/x-www-form-urlencoded", "epost=a%40example.test").await.expect(403);
}

#[tokio::test]
async fn whoever_asks_learns_nothing_about_an_address() {
    let mut stage = Stage::set();
    stage.subscribe(TOLVAN).await;
    stage.operate_typing(&["subscriber", "suppress"], "aldrig@example.test\n");
    let mut answers = Vec::new();
    for address in [TOLVAN, "ny@example.test", "aldrig@example.test", "NY@example.test"] {
        let told = stage.sign_up(address).await.expect(202);
        answers.push(told.text());
        let body =
            json!({ "address": address, "audience": "staff", "choices": { "subscriptions": [{ "target": "all" }] } });
        let told = stage.anyone().post("/v1/subscriptions", &body).await.expect(202);
        assert!(told.body.is_empty());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    // Three letters a day for one address: one was used above, and the last address has two spellings.
    let letters = stage.letters(2 + 3).await;
    let to = |address: &str| letters.iter().filter(|l| header(l, "To").eq_ignore_ascii_case(address)).count();
    assert_eq!((to(TOLVAN), to("ny@example.test"), to("aldrig@example.test")), (2, 3, 0));
    let again = letters.iter().find(|letter| header(letter, "To") == TOLVAN).unwrap();
    assert!(again.contains("/status/prenumeration/"), "{again}");
}

#[tokio::test]
async fn scanners_may_follow_every_link() {
    let mut stage = Stage::set();
    let anyone = stage.anyone();
    stage.sign_up(TOLVAN).await.expect(202);
    let confirm = format!("/status/bekrafta/{}", stage.token("/status/bekrafta/").await);
    let look = async |path: &str| {
        for _ in 0..2 {
            page(&anyone, path).await.expect(200);
            anyone.ask("HEAD", path).await.expect(200);
            anyone.ask("OPTIONS", path).await.expect(405);
        }
    };
    look(&confirm).await;
    assert_eq!(stage.shown(TOLVAN)[0]["state"], "pending");
    let done = form(&anyone, &confirm, &[]).await.expect(200);
    let manage = format!("/status/prenumeration/{}", link(&done, "/status/prenumeration/"));
    look(&manage).await;
    let leave = format!("/u/{}", link(&page(&anyone, &manage).await, "/u/"));
    look(&leave).await;
    assert_eq!(stage.shown(TOLVAN)[0]["state"], "active");
}

#[tokio::test]
async fn one_click_by_both_kinds_of_body_ends_it_and_may_come_twice() {
    let mut stage = Stage::set();
    let multipart = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
    let bodies = [("application/x-www-form-urlencoded", ONE_CLICK), ("multipart/form-data; boundary=x", multipart)];
    for (number, (content_type, body)) in bodies.into_iter().enumerate() {
        let address = format!("tolvan{number}@example.test");
        let manage = stage.subscribe(&address).await;
        // As a mail provider does it: from elsewhere, with nothing to show, however often it has done so today.
        let provider = stage.anyone().from([127, 0, 0, 9]);
        let kept = page(&stage.anyone(), &format!("/status/prenumeration/{manage}")).await.expect(200);
        let token = link(&kept, "/u/");
        for path in [format!("/u/{token}"), format!("/u/{token}"), format!("/u/{}", token.to_uppercase())] {
            let ask = provider.ask("POST", &path).header("origin", "https://mail.example.test");
            let ask = ask.header("sec-fetch-site", "cross-site").bytes(content_type, body);
            ask.await.expect(200);
        }
        let stranger = provider.ask("POST", "/u/aaaa").bytes(content_type, body);
        stranger.await.expect(200);
        assert_eq!(stage.shown(&address)[0]["state"], "left");
        let told = page(&stage.anyone(), &format!("/status/prenumeration/{manage}")).await.expect(410).text();
        assert!(told.contains("Du får inga fler besked"), "{told}");
    }
}

#[tokio::test]
async fn a_program_subscribes_reads_changes_and_ends() {
    let mut stage = Stage::set();
    let anyone = stage.anyone();
    let choices =
        json!({ "language": "en", "dailyAt": "07:30", "subscriptions": [{ "target": "all", "leastImpact": "major" }] });
    let body = json!({ "address": TOLVAN, "audience": "public", "choices": choices });
    anyone.post("/v1/subscriptions", &body).await.expect(202);
    let letter = stage.letters(1).await.remove(0);
    assert!(letter.contains("/en/invanare/status/bekrafta/"), "{letter}");
    let (_, rest) = letter.split_once("/status/bekrafta/").unwrap();
    let token: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();

    let confirmed = anyone.post("/v1/subscriptions/confirmation", &json!({ "token": token })).await.expect(200).json();
    assert_eq!(confirmed["subscription"]["choices"]["dailyAt"], "07:30");
    let path = format!("/v1/subscriptions/{}", confirmed["token"].as_str().unwrap());
    assert_eq!(anyone.get(&path).await.expect(200).json(), confirmed["subscription"]);
    let fewer = json!({ "subscriptions": [{ "target": "all", "maintenances": false }] });
    let changed = anyone.put(&path, &fewer).await.expect(200).json();
    assert_eq!((&changed["choices"]["language"], &changed["audience"]), (&json!("sv"), &json!("public")));

    let unfit = json!({ "subscriptions": [{ "target": "all" }, { "target": "component:finns-inte" }] });
    let refused = anyone.put(&path, &unfit).await.refused(422, "choice-unfit");
    assert_eq!(refused["violations"][0]["pointer"], "/subscriptions/1/target");
    anyone.put(&path, &json!({ "subscriptions": [] })).await.refused(422, "choice-unfit");
    assert_eq!(anyone.ask("DELETE", &path).await.expect(200).json(), json!({ "ended": true, "lists": [] }));
    anyone.get(&path).await.refused(410, "subscription-ended");
    anyone.post("/v1/subscriptions/confirmation", &json!({ "token": token })).await.refused(404, "link-unknown");
}

#[tokio::test]
async fn one_network_signs_up_so_many_and_is_told_to_wait() {
    let gateway = Region::prepare().with("[limits]\nsign-up-network-per-hour = 10").run();
    let anyone = gateway.anyone();
    let body = |number: u32| {
        let address = format!("a{number}@example.test");
        json!({ "address": address, "audience": "staff", "choices": { "subscriptions": [{ "target": "all" }] } })
    };
    for number in 0..10 {
        anyone.post("/v1/subscriptions", &body(number)).await.expect(202);
    }
    let refused = anyone.post("/v1/subscriptions", &body(10)).await;
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 60);
    refused.refused(429, "sign-up-limit");
    let told = form(&anyone, "/status/prenumerera", &[("epost", TOLVAN), ("tjanster", "all"), ("slag", "alla")]).await;
    let page = told.expect(429).text();
    assert!(page.contains("Just nu kommer många anmälningar från ert nät"), "{page}");
    assert!(page.contains("<p>Vänta till kl. ") && page.contains(" och försök igen.</p>"), "{page}");
    assert!(!page.contains("Retry-After") && !page.contains("RateLimit"), "{page}");
    // The neighbour's network has its own.
    gateway.anyone().from([127, 9, 9, 9]).post("/v1/subscriptions", &body(11)).await.expect(202);
}

#[tokio::test]
async fn only_addresses_of_the_allowed_domains_get_a_letter() {
    let region = Region::prepare().with("[status]\nallowed-domains = [\"region.example\"]");
    let gateway = region.run();
    let told = form(&gateway.anyone(), "/status/prenumerera", &[("epost", TOLVAN), ("tjanster", "all")]).await;
    assert!(told.expect(422).text().contains("Adresser i den domänen kan inte prenumerera"));
    let good = [("epost", "tolvan@Region.example"), ("tjanster", "all")];
    form(&gateway.anyone(), "/status/prenumerera", &good).await.expect(202);
    assert_eq!(gateway.letters(1).await.len(), 1);
}

#[tokio::test]
async fn a_list_of_the_region_is_not_left_by_a_slip_and_its_owner_hears_of_the_wish() {
    let mut stage = Stage::set();
    let create = ["subscriber", "list", "create", "beredskap", "--title", "Chefer i beredskap"];
    stage.operate_typing(&create, "agare@region.example\n");
    let added = stage.operate_typing(
        &["subscriber", "list", "add", "beredskap", "--json"],
        "chef@region.example\n\nvik@region.example\n",
    );
    assert_eq!(serde_json::from_str::<Value>(&added).unwrap()["added"], 2);

    // Its member may ask for the link by signing up again, and finds the list there.
    stage.sign_up("chef@region.example").await.expect(202);
    let manage = stage.token("/status/prenumeration/").await;
    let kept = page(&stage.anyone(), &format!("/status/prenumeration/{manage}")).await.expect(200);
    assert!(kept.text().contains("Chefer i beredskap"));
    let path = format!("/u/{}", link(&kept, "/u/"));
    let anyone = stage.anyone();
    for _ in 0..2 {
        let told = anyone.ask("POST", &path).bytes("application/x-www-form-urlencoded", ONE_CLICK);
        assert!(told.await.expect(200).text().contains("Chefer i beredskap"));
    }
    let wish = stage.letters(1).await.remove(0);
    assert_eq!(header(&wish, "To"), "agare@region.example");
    assert!(wish.contains("chef@region.example"), "{wish}");

    let list = stage.gateway.operated(&["subscriber", "list", "show", "beredskap"]);
    let members = list["members"].as_array().unwrap();
    let wishes: Vec<_> =
        members.iter().map(|m| (m["address"].as_str().unwrap(), m["leaveWishedAt"].is_string())).collect();
    assert_eq!(wishes, [("chef@region.example", true), ("vik@region.example", false)]);
    stage.operate_typing(&["subscriber", "list", "remove", "beredskap"], "chef@region.example\n");
    assert_eq!(stage.shown("chef@region.example")[0]["state"], "left");
}

#[tokio::test]
async fn addresses_confirmed_elsewhere_are_imported_once_and_nobody_is_brought_back() {
    let mut stage = Stage::set();
    let manage = stage.subscribe(TOLVAN).await;
    stage.anyone().ask("DELETE", &format!("/v1/subscriptions/{manage}")).await.expect(200);
    let file = "address,language,targets,dailyAt\n\
                ny@example.test,en,,07:30\n\
                tolvan@example.test,sv,all,\n\
                fel@example.test,sv,group:finns-inte,\n";
    let import = ["subscriber", "import", "-", "--source", "gamla-listan", "--confirmed", "--json"];
    let told: Value = serde_json::from_str(&stage.operate_typing(&import, file)).unwrap();
    assert_eq!((&told["new"], &told["leftOut"], &told["faults"][0]["line"]), (&json!(1), &json!(1), &json!(4)));
    let again: Value = serde_json::from_str(&stage.operate_typing(&import, file)).unwrap();
    assert_eq!((&again["new"], &again["known"]), (&json!(0), &json!(1)));
    let new = &stage.shown("ny@example.test")[0];
    assert_eq!(
        (&new["state"], &new["language"], &new["source"]),
        (&json!("active"), &json!("en"), &json!("import gamla-listan"))
    );
    assert_eq!(stage.gateway.operated(&["subscriber", "count"])["staff"]["active"], 1);

    let unfit = stage.gateway.region.path("unfit.csv");
    std::fs::write(&unfit, "address\nhemlig adress\n").unwrap();
    let refused =
        stage.gateway.operate(&["subscriber", "import", unfit.to_str().unwrap(), "--source", "x", "--confirmed"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("line 2") && !said.contains("hemlig"), "{said}");
}

#[tokio::test]
async fn what_operators_did_about_whom_is_logged_without_the_address() {
    let mut stage = Stage::set();
    stage.subscribe(TOLVAN).await;
    let id = stage.shown(TOLVAN)[0]["id"].clone();
    let told: Value = serde_json::from_str(&stage.operate_typing(&["subscriber", "forget", "--json"], TOLVAN)).unwrap();
    assert_eq!(told["forgotten"], true);
    assert_eq!(stage.shown(TOLVAN), json!([]));
    let log = stage.gateway.operated(&["access-log", "list", "--store", "common", "--limit", "1000"]);
    let lines: Vec<_> = log.as_array().unwrap().iter().filter(|l| l["entry"]["act"] == "subscriber-read").collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["entry"]["cases"][0], id);
    assert!(!log.to_string().contains("tolvan"));
}
