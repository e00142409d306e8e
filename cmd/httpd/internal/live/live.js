"use strict";
// Put into this page by httpd --live: it reloads when a file of the site changes. Style sheets are exchanged in place.
(() => {
  let lost = false;
  function restyle() {
    for (const link of document.querySelectorAll('link[rel~="stylesheet"]')) {
      const url = new URL(link.href);
      if (url.host !== location.host) continue;
      url.searchParams.set("live", Date.now());
      link.href = url;
    }
  }
  function connect() {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/.httpd/live`);
    socket.onopen = () => {
      if (lost) location.reload();
      document.documentElement.dataset.live = "on";
    };
    socket.onmessage = (e) => {
      const names = JSON.parse(e.data);
      if (names.length && names.every((n) => n.endsWith(".css"))) restyle();
      else location.reload();
    };
    socket.onclose = () => {
      lost = true;
      setTimeout(connect, 500);
    };
  }
  connect();
})();
