/**
 * The page's only script, as the browser gets it: puts what has changed into the document that is there. Elements that stay keep
 * focus, scroll position and what was folded; without it the page is whole, and as old as when it was opened.
 */
export const script = `(() => {
'use strict';
const { stream, version } = document.body.dataset;
if (!stream) return;
const said = document.getElementById('said');
const live = document.getElementById('live');
const pause = document.getElementById('pause');
let since = version;
let source;

const isSame = (old, next) => old.nodeType === next.nodeType && old.nodeName === next.nodeName && (old.id || '') === (next.id || '');

function become(old, next) {
  if (old.isEqualNode(next)) return;
  if (!isSame(old, next)) return void old.replaceWith(next);
  if (old.nodeType !== 1) return void (old.data = next.data);
  for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) if (!next.hasAttribute(name) && name !== 'open') old.removeAttribute(name);
  const byId = new Map([...old.children].filter(({ id }) => id).map((child) => [child.id, child]));
  let at = old.firstChild;
  for (const wanted of [...next.childNodes]) {
    const known = wanted.id ? byId.get(wanted.id) : at && !at.id && isSame(at, wanted) ? at : undefined;
    if (known) {
      if (known === at) at = at.nextSibling;
      else old.insertBefore(known, at);
      become(known, wanted);
    } else old.insertBefore(wanted, at);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function take(changes) {
  const focused = document.activeElement;
  const section = focused && focused.closest('section');
  for (const { id, html } of changes) {
    const old = document.getElementById(id);
    const template = document.createElement('template');
    template.innerHTML = html;
    if (old && template.content.firstElementChild) become(old, template.content.firstElementChild);
  }
  if (focused === document.activeElement) return;
  if (focused && focused.isConnected) focused.focus({ preventScroll: true });
  else if (section && section.isConnected) section.querySelector('h2').focus({ preventScroll: true });
}

const tell = (text) => {
  if (live.textContent !== text) live.textContent = text;
};

function start() {
  stop();
  source = new EventSource(stream + '&since=' + encodeURIComponent(since));
  source.addEventListener('open', () => tell('Live'));
  source.addEventListener('changes', (event) => {
    take(JSON.parse(event.data));
    since = event.lastEventId;
  });
  source.addEventListener('said', (event) => (said.textContent = JSON.parse(event.data)));
  source.addEventListener('end', (event) => {
    stop();
    tell('No updates: ' + JSON.parse(event.data));
  });
  source.addEventListener('error', () => {
    if (!source) return;
    tell(source.readyState === 2 ? 'No updates: the server refuses them; reload the page to see what is new' : 'Not connected, trying again; what is shown may be old');
  });
}

function stop() {
  if (source) source.close();
  source = undefined;
}

const isPaused = () => pause.getAttribute('aria-pressed') === 'true';
const follow = () => (document.hidden || isPaused() ? stop() : start());
pause.hidden = false;
pause.addEventListener('click', () => {
  pause.setAttribute('aria-pressed', String(!isPaused()));
  if (isPaused()) tell('Paused');
  follow();
});
document.addEventListener('visibilitychange', follow);
addEventListener('pagehide', stop);
addEventListener('pageshow', follow);
})();`;
