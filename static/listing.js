"use strict";
// Adds to the page of a folder what it can do without: the filter, the keyboard,
// the reader's own time zone, and uploads that show how far they are.
{
	const table = document.querySelector(".list");
	const rows = [...table.tBodies[0].rows];
	const filter = document.querySelector("#filter");
	const count = document.querySelector("#count");
	const summary = count.textContent;

	// Filter: each word must be in the name.
	let names;
	const search = () => {
		names ??= rows.map(row => row.cells[0].textContent.toLowerCase());
		const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
		let shown = 0, all = 0;
		rows.forEach((row, i) => {
			if (row.className === "u") return;
			const hit = words.every(word => names[i].includes(word));
			all++;
			if (hit) shown++;
			if (row.hidden === hit) row.hidden = !hit;
		});
		count.textContent = words.length ? `${shown} of ${all} names` : summary;
	};
	filter.addEventListener("input", search);
	filter.hidden = false;
	if (filter.value) search(); // as the browser has kept it

	// Keyboard.
	const step = (row, by) => {
		do row = by > 0 ? row.nextElementSibling : row.previousElementSibling;
		while (row?.hidden);
		return row;
	};
	const go = row => row?.querySelector("a").focus();
	const first = () => { const row = rows[0]; return row?.hidden ? step(row, 1) : row; };
	const last = () => { const row = rows.at(-1); return row?.hidden ? step(row, -1) : row; };
	document.addEventListener("keydown", event => {
		if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
		const inFilter = event.target === filter;
		if (!inFilter && event.target.closest?.("input, button, textarea")) return;
		const row = event.target.closest?.(".list tbody tr");
		switch (event.key) {
		case "/":
			if (inFilter) return;
			filter.focus();
			filter.select();
			break;
		case "Escape":
			if (!inFilter) return;
			filter.value = "";
			search();
			filter.blur();
			break;
		case "Enter": { // on a row the browser follows the link itself
			if (!inFilter) return;
			const hits = rows.filter(r => !r.hidden && r.className !== "u");
			if (hits.length === 0) return;
			hits[0].querySelector("a").click();
			break;
		}
		case "ArrowDown":
			go(row ? step(row, 1) : first());
			break;
		case "ArrowUp":
			if (inFilter) return;
			if (row && !step(row, -1)) filter.focus();
			else go(row ? step(row, -1) : last());
			break;
		case "Home":
		case "End":
			if (!row) return;
			go(event.key === "Home" ? first() : last());
			break;
		case "Backspace":
			if (inFilter) return;
			document.querySelector(".u a")?.click();
			break;
		default:
			return;
		}
		event.preventDefault();
	});
	document.querySelector(".keys").hidden = false;

	// Times in the reader's zone. A very large folder is left as it is.
	if (rows.length <= 5000) {
		const two = n => String(n).padStart(2, "0");
		for (const cell of table.querySelectorAll("time")) {
			const at = new Date(cell.textContent.replace(" ", "T") + "Z");
			if (isNaN(at)) continue;
			cell.title = at.toLocaleString();
			cell.textContent = `${String(at.getFullYear()).padStart(4, "0")}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
		}
		table.querySelector("th span")?.remove();
	}

	const form = document.querySelector(".upload");
	if (form) uploads(form);
}

function uploads(form) {
	const input = form.querySelector("input");
	const list = document.createElement("ul");
	list.className = "sent";
	list.setAttribute("aria-live", "polite");
	form.append(list);
	form.classList.add("live");
	form.querySelector("button").remove();
	form.querySelector("label span").innerHTML = matchMedia("(pointer: coarse)").matches ? "<b>Choose files</b> to upload" : "Drop files here, or <b>choose</b> them";
	form.addEventListener("submit", event => event.preventDefault());
	input.addEventListener("change", () => { take([...input.files]); input.value = ""; });

	const hasFiles = event => event.dataTransfer?.types.includes("Files");
	addEventListener("dragover", event => {
		if (!hasFiles(event)) return;
		event.preventDefault();
		document.body.classList.add("drop");
	});
	addEventListener("dragleave", event => { if (!event.relatedTarget) document.body.classList.remove("drop"); });
	addEventListener("drop", event => {
		if (!hasFiles(event)) return;
		event.preventDefault();
		document.body.classList.remove("drop");
		take([...event.dataTransfer.items].filter(item => item.kind === "file").map(item =>
			item.webkitGetAsEntry?.()?.isDirectory ? {name: item.webkitGetAsEntry().name, folder: true} : item.getAsFile()));
	});

	// One file after the other; the page is loaded anew when all are there.
	let busy = Promise.resolve(), waiting = 0, failed = 0;
	function take(files) {
		for (const file of files) {
			const row = new Row(list, file);
			waiting++;
			busy = busy.then(() => row.cancelled ? undefined : send(file, row)).then(
				() => row.end(row.cancelled ? "bad" : "good", row.cancelled ? "cancelled" : "done"),
				error => { failed++; row.end("bad", row.cancelled ? "cancelled" : error.message); },
			).then(() => { if (--waiting === 0 && failed === 0) location.reload(); });
		}
	}

	function send(file, row) {
		if (file.folder) throw new Error("a folder cannot be uploaded, only the files in it");
		return "tus" in form.dataset ? resumable(file, row) : whole(file, row);
	}

	async function whole(file, row) {
		check(await request("PUT", "./" + encodeURIComponent(file.name), {}, file, row, 0, file.size));
	}

	// tus 1.0.0: what has arrived before a break is not sent again, also when the
	// page was left in between.
	async function resumable(file, row) {
		const key = `upload ${location.pathname} ${file.name} ${file.size} ${file.lastModified}`;
		let url = memory.get(key), offset = 0;
		if (url) {
			const at = await position(url);
			if (at === null) url = null;
			else offset = at;
		}
		if (!url) {
			const name = btoa(String.fromCharCode(...new TextEncoder().encode(file.name)));
			const made = check(await request("POST", "./", {"Upload-Length": file.size, "Upload-Metadata": "filename " + name}, null, row));
			url = new URL(made.getResponseHeader("Location"), location.href).href;
			memory.set(key, url);
		}
		row.url = url;
		for (let tries = 0, at; offset < file.size;) {
			const sent = await request("PATCH", url, {"Upload-Offset": offset, "Content-Type": "application/offset+octet-stream"}, file.slice(offset), row, offset, file.size);
			if (row.cancelled) break;
			if (sent.status === 204) {
				offset = +sent.getResponseHeader("Upload-Offset");
			} else if ([0, 408, 423, 429, 500, 502, 503, 504].includes(sent.status) && tries < 7) {
				row.say("interrupted, trying again");
				await pause(tries++);
				offset = await position(url) ?? offset;
			} else if (sent.status === 409 && ![null, offset].includes(at = await position(url))) {
				offset = at; // the server had more of it than it knew
			} else {
				memory.delete(key);
				check(sent);
			}
		}
		memory.delete(key);
		// It is locked until the server has heard that this page sends no more.
		for (let tries = 0; row.cancelled && tries < 6; tries++) {
			if ((await request("DELETE", url, {})).status !== 423) break;
			await pause(tries);
		}
	}

	const pause = tries => new Promise(done => setTimeout(done, 250 * 2 ** tries));

	// position asks how much of an upload has arrived; null when nobody knows.
	async function position(url) {
		const got = await request("HEAD", url, {});
		return got.status === 200 ? +got.getResponseHeader("Upload-Offset") : null;
	}

	function check(answer) {
		if (answer.status >= 200 && answer.status < 300) return answer;
		let text = answer.responseText.trim();
		try { const problem = JSON.parse(text); text = problem.detail || problem.title || text; } catch { /* it is text */ }
		throw new Error(answer.status ? text || `refused (${answer.status})` : "the connection was lost");
	}

	function request(method, url, header, body, row, from, size) {
		return new Promise(done => {
			const xhr = new XMLHttpRequest();
			xhr.open(method, url);
			if ("tus" in form.dataset) xhr.setRequestHeader("Tus-Resumable", "1.0.0");
			for (const name in header) xhr.setRequestHeader(name, header[name]);
			if (row && size !== undefined) {
				xhr.upload.onprogress = event => row.show(from + event.loaded, size);
				row.abort = () => xhr.abort();
			}
			xhr.onloadend = () => done(xhr);
			xhr.send(body);
		});
	}
}

// memory is what this browser keeps of uploads that were broken off.
const memory = {
	get: key => { try { return localStorage.getItem(key); } catch { return null; } },
	set: (key, value) => { try { localStorage.setItem(key, value); } catch { /* then it starts anew */ } },
	delete: key => { try { localStorage.removeItem(key); } catch { /* it was not kept */ } },
};

// Row shows one upload.
class Row {
	constructor(list, file) {
		this.item = document.createElement("li");
		const name = document.createElement("span");
		name.textContent = file.name;
		this.text = document.createElement("small");
		this.text.textContent = "waiting";
		this.button = document.createElement("button");
		this.button.type = "button";
		this.button.textContent = "Cancel";
		this.button.addEventListener("click", () => { this.cancelled = true; this.abort?.(); this.say("cancelled"); });
		this.bar = document.createElement("progress");
		this.bar.max = 1;
		this.bar.value = 0;
		this.item.append(name, this.text, this.button, this.bar);
		list.append(this.item);
	}
	say(text) { this.text.textContent = text; }
	show(sent, size) {
		this.bar.value = size ? sent / size : 1;
		this.say(`${Math.floor(100 * this.bar.value)} %`);
	}
	end(how, text) {
		if (how === "good") this.bar.value = 1;
		this.item.className = how;
		this.button.remove();
		this.say(text);
	}
}
