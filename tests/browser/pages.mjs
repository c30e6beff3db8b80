// What people do with the pages, in a real Chromium against the real gateway. Each test's name is what must hold.
// Started by main.rs, which says by the environment where the gateway is; BUDKAVLE_SHOTS may name a directory for pictures.
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { after, before, test as run } from 'node:test';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const { BUDKAVLE_BINARY, BUDKAVLE_CONFIG, BUDKAVLE_URL: url, BUDKAVLE_MAIL, BUDKAVLE_SHOTS, BUDKAVLE_CHROMIUM } = process.env;
const { BUDKAVLE_STAFF_URL: staff, BUDKAVLE_CARDS: cards, BUDKAVLE_CARD_TEST_URL: cardTest } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'];
const editions = ['', '/en', '/invanare', '/en/invanare'];
const widths = [360, 768, 1280];
/** Longest that anything is waited for. */
const WAIT = 15_000;

/** Longest that one test may take, on a machine with much else to do. */
const TEST_WAIT = 300_000;

let browser, incident;

function test(name, act) {
  run(name, { timeout: TEST_WAIT }, act);
}

function budkavle(...words) {
  const told = execFileSync(BUDKAVLE_BINARY, [...words, '--config', BUDKAVLE_CONFIG, '--json'], { encoding: 'utf8' });
  return JSON.parse(told);
}

function local(days, time) {
  const day = new Date(Date.now() + days * 86_400_000);
  return `${new Intl.DateTimeFormat('sv-SE', { timeZone: 'Europe/Stockholm' }).format(day)} ${time}`;
}

const contexts = new Map();

/** A page of its own, in a browser window as the options say. */
async function open(path, options = {}) {
  const key = JSON.stringify(options);
  if (!contexts.has(key)) {
    contexts.set(key, await browser.newContext({ locale: 'sv-SE', ignoreHTTPSErrors: true, viewport: { width: 768, height: 900 }, ...options }));
    contexts.get(key).setDefaultTimeout(WAIT);
  }
  const page = await contexts.get(key).newPage();
  page.told = [];
  page.on('console', (said) => said.type() === 'error' && page.told.push(said.text()));
  const answer = await page.goto(new URL(path, url).href);
  page.status = answer.status();
  return page;
}

/** Opens, does, closes. */
async function at(path, options, act) {
  const page = await open(path, options);
  try {
    return await act(page);
  } finally {
    await page.close();
  }
}

/** The pages of one edition, by path; those of one incident and of a link that is not known among them. */
function paths(prefix) {
  const month = local(0, '').slice(0, 7);
  const own = ['/status', '/status/historik', `/status/historik/${month}`, `/status/handelse/${incident}`,
    '/status/prenumerera', `/status/prenumerera?handelse=${incident}`, '/status/bekrafta/aaaa', '/status/prenumeration/aaaa',
    '/support', '/support/felanmalan', '/support/anvandarstod', '/support/bestallning', '/support/arende/aaaa',
    '/fragor-och-svar', '/fragor-och-svar/logga-in', '/finns-inte'];
  return own.map((path) => prefix + path);
}

/** Links that are not ours, and what is not there, are told so; all else is there. */
function status(path) {
  // How staff log in is no question of the residents'.
  return path.endsWith('/aaaa') || path.endsWith('/finns-inte') || path.endsWith('/invanare/fragor-och-svar/logga-in') ? 404 : 200;
}

async function violations(page) {
  await page.evaluate(axe);
  const found = await page.evaluate((values) => window.axe.run(document, { runOnly: { type: 'tag', values } }), rules);
  return found.violations.flatMap((rule) => rule.nodes.map((node) => `${page.url()} ${rule.id}: ${node.target} ${node.html.slice(0, 120)}`));
}

async function picture(page, name) {
  if (!BUDKAVLE_SHOTS) return;
  mkdirSync(BUDKAVLE_SHOTS, { recursive: true });
  await page.screenshot({ path: `${BUDKAVLE_SHOTS}/${name.replaceAll(/[^a-z0-9-]+/gi, '_')}.png`, fullPage: true });
}

/** A page on somebody's way: it breaks no rule, and has no script that it could need. */
async function inFlow(page, name) {
  await picture(page, name);
  assert.equal(await page.locator('script').count(), 0, name);
  assert.deepEqual(await violations(page), [], name);
}

/** Presses Tab until the element has the focus; a keyboard finds everything this way or not at all. */
async function tabTo(page, selector) {
  for (let presses = 0; presses < 150; presses += 1) {
    await page.keyboard.press('Tab');
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) return;
  }
  assert.fail(`no ${selector} by Tab on ${page.url()}`);
}

async function focusIsSeen(page) {
  const outline = await page.evaluate(() => {
    const style = getComputedStyle(document.activeElement);
    return { width: parseFloat(style.outlineWidth), kind: style.outlineStyle };
  });
  assert.ok(outline.width >= 3 && outline.kind === 'solid', `focus on ${page.url()}: ${JSON.stringify(outline)}`);
}

/** The newest mail to somebody, decoded, once there is one that holds the text. */
async function mail(to, text) {
  const ends = Date.now() + WAIT;
  while (Date.now() < ends) {
    for (const name of readdirSync(BUDKAVLE_MAIL).filter((one) => one.endsWith('.eml')).sort().reverse()) {
      const raw = readFileSync(`${BUDKAVLE_MAIL}/${name}`, 'latin1');
      const plain = raw.replaceAll(/=\r?\n/g, '').replaceAll(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
      if (raw.includes(to) && plain.includes(text)) return plain;
    }
    await new Promise((done) => setTimeout(done, 50));
  }
  return assert.fail(`no mail to ${to} with ${text}`);
}

before(async () => {
  browser = await chromium.launch({
    executablePath: BUDKAVLE_CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  });
  const told = budkavle('incident', 'open', '--hold', '0', '--audience', 'public', '--component', 'e-tjanster=partial_outage',
    '--title', 'Bilder i meddelanden visas inte', '--title-en', 'Pictures in messages are not shown',
    '--text', 'Bilder som invånare skickar med visas inte. Texten kommer fram.\n\nMer på https://www.example.test/bilder.',
    '--text-en', 'Pictures that residents attach are not shown. The text arrives.',
    '--workaround', 'Be om bilden igen på telefon.', '--next-update', local(1, '10:00'), '--reference', 'INC-4711');
  incident = told.id;
  budkavle('incident', 'open', '--hold', '0', '--audience', 'staff', '--component', 'siths=major_outage',
    '--title', 'Det går inte att logga in med SITHS-kort', '--text', 'Inloggning med SITHS-kort fungerar inte sedan kl. 07.40.');
  budkavle('maintenance', 'schedule', '--hold', '0', '--audience', 'public', '--component', 'stod-och-behandling',
    '--title', 'Byte av databasserver', '--title-en', 'Change of database server', '--from', local(14, '22:00'), '--until', local(15, '00:00'),
    '--text', 'Stöd och behandling går inte att använda under arbetet.', '--text-en', 'Support and treatment cannot be used meanwhile.');
  await at('/status', {}, (page) => page.getByText('Byte av databasserver').first().waitFor());
});

after(() => browser?.close());

test('no page breaks a rule of accessibility, in light and in dark', async () => {
  const broken = [];
  for (const path of editions.flatMap(paths)) {
    await at(path, {}, async (page) => {
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        broken.push(...await violations(page));
        if (page.status !== status(path)) broken.push(`${path}: ${page.status}`);
        if (colorScheme === 'dark' && !path.includes('/invanare')) await picture(page, `${path}-dark`);
      }
      const refused = page.told.filter((said) => !said.includes('status of 4'));
      broken.push(...refused.map((said) => `${path}: ${said}`));
    });
  }
  assert.deepEqual(broken, []);
});

test('every page is read at any width without scrolling sideways, at twice the size too', async () => {
  const wide = [];
  for (const path of [...paths(''), ...paths('/en')]) {
    await at(path, {}, async (page) => {
      const look = async (what) => {
        const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (over > 0) wide.push(`${path} at ${what}: ${over} px too wide`);
      };
      for (const width of [320, ...widths]) {
        await page.setViewportSize({ width, height: 800 });
        await look(width);
        if (width !== 320) await picture(page, `${path}-${width}`);
      }
      // A window of 1280 pixels at 200 %; and text alone made twice as large.
      await page.setViewportSize({ width: 640, height: 450 });
      await look('200 %');
      await page.evaluate(() => { document.documentElement.style.fontSize = '200%'; });
      await look('letters of 200 %');
    });
  }
  assert.deepEqual(wide, []);
});

test('what is pressed is large enough for a finger', async () => {
  for (const path of paths('')) {
    await at(path, { viewport: { width: 360, height: 800 }, hasTouch: true }, async (page) => {
      const small = await page.evaluate(() => [...document.querySelectorAll('header li a, footer li a, button, .button, summary, h3 a, .choice label, select, input:not([type=hidden], [type=radio], [type=checkbox])')]
        .filter((one) => one.offsetParent !== null && one.getBoundingClientRect().height < 43.5).map((one) => one.outerHTML.slice(0, 100)));
      assert.deepEqual(small, [], path);
    });
  }
});

test('every page needs less than 50 KB with everything, from one place, and sets no cookie', async () => {
  for (const path of paths('')) {
    const page = await open('/v1/health');
    let bytes = 0;
    const others = [];
    const sizes = [];
    page.on('response', (answer) => {
      if (!answer.url().startsWith(url)) others.push(answer.url());
      if (!answer.url().endsWith('/status/handelser')) sizes.push(answer.body().then((body) => { bytes += body.length; }));
    });
    await page.goto(url + path);
    await Promise.all(sizes);
    assert.ok(bytes > 1_000 && bytes < 50_000, `${path}: ${bytes} bytes`);
    assert.deepEqual(others.filter((one) => !one.startsWith('data:')), []);
    assert.deepEqual(await page.context().cookies(), []);
    await page.close();
  }
});

test('the status page says the same without JavaScript', async () => {
  const heading = (page) => page.locator('h1').innerText();
  const still = await at('/status', { javaScriptEnabled: false }, async (page) => {
    assert.equal(await page.locator('#gammal').isVisible(), false);
    return heading(page);
  });
  assert.equal(still, await at('/status', {}, heading));
});

test('an open page tells of what happens, without being reloaded and without moving who reads it', async () => {
  await at('/status', {}, async (page) => {
    await page.locator('summary', { hasText: 'Våra tjänster' }).focus();
    const told = budkavle('incident', 'open', '--hold', '0', '--audience', 'public', '--component', 'e-tjanster=degraded_performance',
      '--title', 'Sidorna är långsamma', '--text', 'Det tar upp till en minut att öppna ett ärende.');
    // The reader is among the services: nothing moves under them until they leave.
    const fresh = page.getByRole('link', { name: 'Sidorna är långsamma' });
    await page.waitForResponse((answer) => new URL(answer.url()).pathname === '/status');
    assert.equal(await fresh.count(), 0);
    assert.equal(await page.evaluate(() => document.activeElement.tagName), 'SUMMARY');
    await page.locator('header a').first().focus();
    await fresh.waitFor();
    budkavle('incident', 'resolve', told.id, '--hold', '0', '--text', 'Det går fort igen.');
    await page.locator('#nu').getByRole('link', { name: 'Sidorna är långsamma' }).waitFor({ state: 'detached' });
    await page.locator('#historik').getByRole('link', { name: 'Sidorna är långsamma' }).waitFor();
    assert.deepEqual(page.told, []);
  });
});

test('a page that nobody renews says that it is old', async () => {
  await at('/status', {}, async (page) => {
    await page.route('**', (route) => route.abort());
    await page.evaluate(() => {
      document.getElementById('kontrollerat').dateTime = new Date(Date.now() - 6 * 60_000).toISOString();
      document.dispatchEvent(new Event('visibilitychange'));
    });
    await page.locator('#gammal').waitFor({ state: 'visible' });
  });
});

test('the keyboard alone reaches everything on the status page, and is seen doing it', async () => {
  await at('/status', {}, async (page) => {
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
    assert.ok(await page.locator('.skip').isVisible());
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'innehall');
    const seen = new Set();
    const all = await page.evaluate(() => [...document.querySelectorAll('main a, main summary, main button')].filter((one) => one.offsetParent !== null).length);
    for (let presses = 0; presses < all; presses += 1) {
      await page.keyboard.press('Tab');
      await focusIsSeen(page);
      seen.add(await page.evaluate(() => document.activeElement.outerHTML));
    }
    assert.equal(seen.size, all);
    await page.goto(`${url}/status`);
    await tabTo(page, '#tjanster summary');
    const unfolded = () => page.locator('#tjanster details').first().evaluate((details) => details.open);
    const before = await unfolded();
    await page.keyboard.press('Enter');
    assert.equal(await unfolded(), !before);
  });
});

test('the printed page has what it says and none of what can only be pressed', async () => {
  await at('/status', {}, async (page) => {
    await page.emulateMedia({ media: 'print' });
    for (const selector of ['nav', '.button', '#besked', 'footer ul']) {
      assert.equal(await page.locator(selector).first().isVisible(), false, selector);
    }
    assert.ok(await page.locator('h1').isVisible() && await page.locator('#nu').isVisible());
    const after = await page.locator('#nu h3 a').first().evaluate((link) => getComputedStyle(link, '::after').content);
    assert.match(after, /handelse/);
    await picture(page, 'status-printed');
  });
});

test('with colours of their own people still see every state and the focus', async () => {
  await at('/status', { forcedColors: 'active' }, async (page) => {
    await tabTo(page, 'h3 a');
    await focusIsSeen(page);
    const marks = await page.locator('.state:visible').allInnerTexts();
    assert.ok(marks.length > 4 && marks.every((text) => /^[●◐◆■▲] \S/.test(text.trim())), JSON.stringify(marks));
    await picture(page, 'status-forced-colours');
  });
});

test('feeds and badge are read by the browser\'s own parser', async () => {
  await at('/status', {}, async (page) => {
    for (const path of editions.flatMap((prefix) => [`${prefix}/status/historik.atom`, `${prefix}/status/badge.svg`])) {
      const read = await page.evaluate(async (one) => {
        const xml = new DOMParser().parseFromString(await (await fetch(one)).text(), 'application/xml');
        return { broken: xml.querySelector('parsererror') !== null, root: xml.documentElement.localName };
      }, path);
      assert.deepEqual(read, { broken: false, root: path.endsWith('atom') ? 'feed' : 'svg' }, path);
    }
  });
});

test('somebody subscribes, confirms, chooses anew and leaves, by keyboard alone', async () => {
  await at('/status', {}, async (page) => {
    const step = async (heading, name) => {
      assert.match(await page.locator('h1').innerText(), heading);
      await inFlow(page, `way-${name}`);
    };
    await tabTo(page, '#besked a');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/status/prenumerera');
    await step(/besked/, '1-form');
    await tabTo(page, 'input[type=email]');
    await page.keyboard.type('kim.test');
    await tabTo(page, 'main button');
    await page.keyboard.press('Enter');
    await page.locator('.errors').waitFor();
    await step(/besked/, '2-errors');
    assert.match(await page.title(), /^Fel: /);
    assert.ok(await page.locator('.errors').evaluate((box) => box === document.activeElement), 'the list of errors has the focus');
    assert.equal(await page.locator('input[type=email]').inputValue(), 'kim.test', 'nothing that was typed is lost');
    assert.equal(await page.locator('input[type=email]').getAttribute('aria-invalid'), 'true');
    await tabTo(page, '.errors a');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('kim@example.test');
    await tabTo(page, 'main button');
    await page.keyboard.press('Enter');
    await page.getByText('inkorg').first().waitFor();
    await step(/inkorg/, '3-asked');
    const confirm = (await mail('kim@example.test', '/status/bekrafta/')).match(/https:\/\/\S+\/status\/bekrafta\/[^\s"<]+/)[0];
    await page.goto(url + new URL(confirm).pathname);
    await step(/Bekräfta/, '4-confirm');
    await tabTo(page, 'main button');
    await page.keyboard.press('Enter');
    await page.getByText('du prenumererar').first().waitFor();
    await step(/Klart/, '5-confirmed');
    await tabTo(page, 'main a');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/status/prenumeration/*');
    await step(/Din prenumeration/, '6-manage');
    await tabTo(page, 'main button');
    await page.keyboard.press('Enter');
    await page.getByText('sparade').waitFor();
    await step(/Din prenumeration/, '7-saved');
    await tabTo(page, 'main section a');
    await page.keyboard.press('Enter');
    await page.locator('main button').waitFor();
    await step(/fler besked/, '8-leave');
    await tabTo(page, 'main button');
    await page.keyboard.press('Enter');
    await page.getByText('inga fler besked').first().waitFor();
    await step(/inga fler besked/, '9-left');
  });
});

test('somebody reports an urgent fault and follows it, by keyboard alone', async () => {
  await at('/support', {}, async (page) => {
    const field = async (selector, ...keys) => {
      await tabTo(page, selector);
      await focusIsSeen(page);
      for (const key of keys) await page.keyboard.press(key);
    };
    const send = async () => {
      await tabTo(page, 'main button');
      await page.keyboard.press('Enter');
    };
    assert.ok(await page.getByText('Det här vet vi redan om').isVisible());
    await tabTo(page, '.ways a');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/support/felanmalan');
    await send();
    await page.locator('.errors').waitFor();
    assert.ok(await page.locator('.errors').evaluate((box) => box === document.activeElement), 'the list of errors has the focus');
    assert.ok(await page.locator('.errors a').count() >= 4);
    await inFlow(page, 'fault-1-errors');
    await field('#tjanst', 'ArrowDown');
    await tabTo(page, 'textarea');
    await page.keyboard.type('Svar som skickas kommer inte fram.');
    await field('[name=omfattning]', 'Space');
    await field('[name=arbete]', 'ArrowDown');
    await field('[name=patientsakerhet]', 'Space');
    await field('[name=inloggning]', 'ArrowDown');
    await tabTo(page, '[name=namn]');
    await page.keyboard.type('Kim Test');
    await tabTo(page, '[name=e-post]');
    await page.keyboard.type('kim@example.test');
    await send();
    await page.getByText('Vi har tagit emot').first().waitFor();
    await inFlow(page, 'fault-2-receipt');
    const number = (await page.locator('.lead').innerText()).match(/S-\d{4}-\d{6}/)[0];
    // What may hurt patients is told by telephone, first of all.
    assert.ok(await page.locator('main > :first-child a[href^="tel:"]').isVisible());
    await tabTo(page, 'main a[href*="/support/arende/"]');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/support/arende/*');
    assert.match(await page.locator('h1').innerText(), new RegExp(number));
    assert.ok(await page.getByText('Svar som skickas kommer inte fram.').isVisible());
    await tabTo(page, 'textarea');
    await page.keyboard.type('Nu kom ett fram.');
    await send();
    await page.getByText('Nu kom ett fram.').waitFor();
    await inFlow(page, 'fault-3-ticket');
  });
});

/** With a card: the certificate that its holder chooses. */
function card(name, options = {}) {
  return { clientCertificates: [{ origin: staff, certPath: `${cards}/${name}.pem`, keyPath: `${cards}/${name}.key` }], ...options };
}

test('the card test says of any card what it is and where it is let in, to everybody and on a telephone', async () => {
  const shown = [['receiver', /fungerar/, /works/], ['telia', /Telia/, /Telia/], ['expired', /har gått ut/, /has expired/], [null, /Inget kort/, /No card/]];
  for (const [name, sv, en] of shown) {
    const certificate = { origin: cardTest, certPath: `${cards}/${name}.pem`, keyPath: `${cards}/${name}.key` };
    const options = name ? { clientCertificates: [certificate] } : {};
    for (const [path, heading] of [['/', sv], ['/en', en]]) {
      await at(`${cardTest}${path}`, options, async (page) => {
        assert.equal(page.status, 200);
        assert.match(await page.locator('h1').innerText(), heading);
        await page.evaluate(() => document.querySelectorAll('details').forEach((one) => { one.open = true; }));
        for (const width of [320, ...widths]) {
          await page.setViewportSize({ width, height: 800 });
          assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0, `${name} ${width}`);
          await picture(page, `card-test-${name}-${path.slice(1)}-${width}`);
        }
        const small = await page.evaluate(() => [...document.querySelectorAll('a, summary')].filter((one) => one.getBoundingClientRect().height < 43.5).map((one) => one.outerHTML));
        assert.deepEqual(small, []);
        for (const colorScheme of ['dark', 'light']) {
          await page.emulateMedia({ colorScheme });
          assert.deepEqual(await violations(page), []);
        }
        assert.deepEqual(page.told, []);
      });
    }
  }
});

test('somebody logs in with a card, sees what waits, chooses letters and logs out, by keyboard alone', async () => {
  await at(`${staff}/`, card('receiver'), async (page) => {
    const press = async (selector) => {
      await tabTo(page, selector);
      await focusIsSeen(page);
      await page.keyboard.press('Enter');
    };
    const step = async (heading, name) => {
      assert.match(await page.locator('h1').innerText(), heading);
      const wide = [];
      for (const width of [320, ...widths]) {
        await page.setViewportSize({ width, height: 800 });
        if (await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)) wide.push(width);
        await picture(page, `staff-${name}-${width}`);
      }
      assert.deepEqual(wide, [], name);
      const small = await page.evaluate(() => [...document.querySelectorAll('nav a, main li a, button, .button, .choice label, input:not([type=hidden], [type=radio], [type=checkbox])')]
        .filter((one) => one.offsetParent !== null && one.getBoundingClientRect().height < 43.5).map((one) => one.outerHTML));
      assert.deepEqual(small, [], name);
      await page.emulateMedia({ colorScheme: 'dark' });
      await inFlow(page, `staff-${name}-dark`);
      await page.emulateMedia({ colorScheme: 'light' });
      await inFlow(page, `staff-${name}`);
    };
    await step(/Logga in/, '1-log-in');
    await press('main button');
    await page.getByRole('heading', { name: 'Inkorg' }).waitFor();
    await step(/Anna/, '2-start');
    assert.ok(await page.getByRole('table', { name: 'Att fördela' }).getByText('Förnya recept').first().isVisible());
    const kept = (await page.context().cookies()).map(({ name, secure, httpOnly, sameSite }) => ({ name, secure, httpOnly, sameSite }));
    assert.deepEqual(kept, [{ name: '__Host-budkavle', secure: true, httpOnly: true, sameSite: 'Strict' }]);
    await press('nav a[href="/installningar"]');
    await page.waitForURL('**/installningar');
    await step(/Brev till mig/, '3-letters');
    await tabTo(page, '#epost');
    await page.keyboard.type('anna.test');
    await press('main button');
    await page.locator('.errors').waitFor();
    await step(/Brev till mig/, '4-errors');
    assert.ok(await page.locator('.errors').evaluate((box) => box === document.activeElement), 'the list of errors has the focus');
    await tabTo(page, '#epost');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('anna@example.test');
    await press('main button');
    await page.getByText('Dina val är sparade').waitFor();
    await step(/Brev till mig/, '5-saved');
    await press('nav a[lang=en]');
    await page.waitForURL('**/en/installningar');
    await step(/Letters to me/, '6-english');
    await press('header form button');
    await page.getByText('Take the card out').waitFor();
    await step(/You are logged out/, '7-logged-out');
    assert.deepEqual(await page.context().cookies(), []);
    await press('main a');
    await page.waitForURL('**/en');
    assert.match(await page.locator('h1').innerText(), /Log in/);
    assert.deepEqual(page.told.filter((said) => !said.includes('status of 422')), []);
  });
});

test('who comes to a staff page without a session is led to the log-in, and may go back to it from a refusal', async () => {
  await at(`${staff}/arende/1`, card('handler'), async (page) => {
    assert.equal(new URL(page.url()).pathname, '/');
    const refused = await page.goto(`${staff}/installningar`);
    assert.equal(refused.status(), 401);
    await inFlow(page, 'staff-refused');
    await tabTo(page, 'main .button');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Logga in med SITHS-kort' }).waitFor();
  });
});
