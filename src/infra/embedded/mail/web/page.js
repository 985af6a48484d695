"use strict";
// Everything from a mail is set as text, never as markup.
(() => {
  const at = location.pathname.search(/\/(view\/[^/]*|search)?$/);
  const base = location.pathname.slice(0, Math.max(at, 0)) + "/";
  const $ = (id) => document.getElementById(id);
  const PAGE = 50;
  let mailbox = new URLSearchParams(location.search).get("mailbox") || "";
  let query = new URLSearchParams(location.search).get("q") || "";
  let items = [], total = 0, current = null, message = null, tab = "html", turn = 0;

  const address = (path, more) => {
    const values = new URLSearchParams(more || {});
    if (mailbox) values.set("mailbox", mailbox);
    const text = values.toString();
    return base + path + (text ? "?" + text : "");
  };
  const ask = async (path, more, options) => {
    const answer = await fetch(address(path, more), options);
    if (answer.status === 401) { location.reload(); throw new Error("logged out"); }
    if (!answer.ok) throw new Error(await answer.text());
    return answer;
  };
  const make = (tag, text, name) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    return element;
  };
  const person = (who) => who.Name ? `${who.Name} <${who.Address}>` : who.Address;
  const people = (list) => list.map(person).join(", ");
  const size = (bytes) => bytes < 1024 ? `${bytes} B` : bytes < 1048576 ? `${(bytes / 1024).toFixed(1)} KB` : `${(bytes / 1048576).toFixed(1)} MB`;
  const when = (text) => new Date(text).toLocaleString();

  function drawList() {
    const list = $("list");
    list.replaceChildren(...items.map((item) => {
      const entry = make("li", undefined, item.Read ? "" : "unread");
      const button = make("button");
      button.type = "button";
      button.dataset.id = item.ID;
      if (item.ID === current) button.setAttribute("aria-current", "true");
      const first = make("div", undefined, "line");
      first.append(make("span", person(item.From) || "(no sender)"), make("span", when(item.Created)));
      const second = make("div", undefined, "line");
      second.append(make("span", item.Subject || "(no subject)"), make("span", item.Attachments ? `${item.Attachments} file(s)` : ""));
      const to = make("div", "To: " + people([...item.To, ...item.Cc, ...item.Bcc]) + (item.Tags.length ? "  [" + item.Tags.join(", ") + "]" : ""), "snippet");
      button.append(first, second, to, make("div", item.Snippet, "snippet"));
      button.addEventListener("click", () => open(item.ID));
      entry.append(button);
      return entry;
    }));
    $("empty").hidden = items.length > 0;
    $("more").hidden = items.length >= total;
  }
  async function load(more) {
    const mine = ++turn;
    const start = more ? items.length : 0;
    const limit = more ? PAGE : Math.max(PAGE, items.length);
    const answer = await (query ? ask("api/v1/search", { query, start, limit }) : ask("api/v1/messages", { start, limit }));
    const page = await answer.json();
    if (mine !== turn) return;
    items = more ? items.concat(page.messages) : page.messages;
    total = page.messages_count;
    $("count").textContent = query ? `${total} found` : `${page.unread} unread of ${page.total}`;
    drawList();
  }
  let soon = null;
  const refresh = () => { soon ??= setTimeout(() => { soon = null; load(false).catch(say); }, 100); };
  const say = (error) => { $("count").textContent = error.message; };

  async function open(id) {
    message = await (await ask(`api/v1/message/${id}`)).json();
    current = message.ID;
    history.replaceState(null, "", address("view/" + current));
    tab = message.HTML ? "html" : "text";
    $("remote").checked = false;
    $("subject").textContent = message.Subject || "(no subject)";
    const facts = [["From", person(message.From)], ["To", people(message.To)], ["Cc", people(message.Cc)], ["Bcc", people(message.Bcc)],
      ["Reply-To", people(message.ReplyTo)], ["Date", when(message.Date)], ["Login", message.Username || "none"], ["Size", size(message.Size)]];
    $("facts").replaceChildren(...facts.filter(([, text]) => text).flatMap(([name, text]) => [make("dt", name), make("dd", text)]));
    $("files").replaceChildren(...[...message.Attachments, ...message.Inline].map((part) => {
      const entry = make("li");
      const link = make("a", `${part.FileName} (${size(part.Size)})`);
      link.href = address(`api/v1/message/${current}/part/${part.PartID}`);
      link.download = part.FileName;
      entry.append(link);
      return entry;
    }));
    $("download").href = address(`api/v1/message/${current}/raw`, { dl: "1" });
    $("mail").hidden = false;
    document.body.classList.add("open");
    const known = items.find((item) => item.ID === current);
    if (known) known.Read = true;
    drawList();
    await draw();
  }
  async function draw() {
    const shown = current, wanted = tab;
    for (const button of document.querySelectorAll("[role=tab]")) {
      button.setAttribute("aria-selected", String(button.dataset.tab === tab));
      if (button.dataset.tab === "html") button.hidden = !message.HTML;
    }
    $("remote-label").hidden = tab !== "html";
    $("frame-place").hidden = tab !== "html";
    $("plain").hidden = tab === "html";
    $("frame-place").replaceChildren();
    if (tab === "html") {
      const frame = make("iframe");
      frame.setAttribute("sandbox", "allow-popups allow-popups-to-escape-sandbox");
      frame.setAttribute("referrerpolicy", "no-referrer");
      frame.title = "The mail's HTML";
      frame.src = address(`view/${current}.html`, { inline: "1", ...($("remote").checked ? { remote: "1" } : {}) });
      $("frame-place").append(frame);
      return;
    }
    let text = message.Text;
    if (tab === "headers") {
      const headers = await (await ask(`api/v1/message/${current}/headers`)).json();
      text = Object.entries(headers).flatMap(([name, values]) => values.map((value) => `${name}: ${value}`)).join("\n");
    } else if (tab === "raw") {
      text = await (await ask(`api/v1/message/${current}/raw`)).text();
    }
    if (shown === current && wanted === tab) $("plain").textContent = text;
  }
  function close() {
    current = message = null;
    $("mail").hidden = true;
    $("frame-place").replaceChildren();
    document.body.classList.remove("open");
    history.replaceState(null, "", address("", query ? { q: query } : {}));
    drawList();
  }
  const change = (method, path, more, body) => ask(path, more, { method, body: body && JSON.stringify(body) });

  let wait = 500;
  function listen() {
    const socket = new WebSocket((location.protocol === "https:" ? "wss://" : "ws://") + location.host + address("api/events"));
    socket.onopen = () => { wait = 500; $("live").textContent = "live"; refresh(); };
    socket.onmessage = (event) => {
      const { Type, Data } = JSON.parse(event.data);
      if (Type === "delete" && Data.ID === current || Type === "truncate") close();
      if (Type !== "stats" && Type !== "error") refresh();
    };
    socket.onclose = () => {
      $("live").textContent = "not live";
      setTimeout(listen, wait);
      wait = Math.min(wait * 2, 10000);
    };
  }
  async function begin() {
    const { User, Shown, Mailboxes } = await (await ask("api/v1/mailboxes")).json();
    $("owner").textContent = Shown || "everybody";
    document.title = "Mail of " + (Shown || "everybody");
    if (User === "admin") {
      const choose = $("mailbox");
      choose.hidden = false;
      choose.replaceChildren(...["", ...Mailboxes].map((name) => {
        const option = make("option", name || "all mailboxes");
        option.value = name;
        option.selected = name === mailbox;
        return option;
      }));
      choose.addEventListener("change", () => { mailbox = choose.value; location.assign(address("")); });
    }
    $("search").value = query;
    $("search-form").addEventListener("submit", (event) => event.preventDefault());
    $("search").addEventListener("input", () => { query = $("search").value.trim(); items = []; refresh(); });
    $("more").addEventListener("click", () => load(true).catch(say));
    $("back").addEventListener("click", close);
    $("remote").addEventListener("change", () => draw().catch(say));
    $("tabs").addEventListener("click", (event) => {
      if (event.target.dataset.tab) { tab = event.target.dataset.tab; draw().catch(say); }
    });
    $("delete").addEventListener("click", () => change("DELETE", "api/v1/messages", {}, { IDs: [current] }).then(close).then(refresh).catch(say));
    $("read-all").addEventListener("click", () => change("PUT", "api/v1/messages", {}, query ? { Read: true, Search: query } : { Read: true }).then(refresh).catch(say));
    $("delete-all").addEventListener("click", () => {
      if (!confirm(query ? "Delete all mails that this search finds?" : `Delete all mails of ${Shown || "everybody"}?`)) return;
      change("DELETE", query ? "api/v1/search" : "api/v1/messages", query ? { query } : {}).then(close).then(refresh).catch(say);
    });
    await load(false);
    listen();
    const wanted = location.pathname.match(/\/view\/([A-Za-z0-9]+)$/);
    if (wanted) await open(wanted[1]);
  }
  begin().catch(say);
})();
