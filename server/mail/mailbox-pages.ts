// The HTML of the development mailbox.
import { escapeHtml } from './render.ts'
import type { MailboxMessage } from './types.ts'

export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export const STYLE = `
:root { color-scheme: light dark; --page: #f3f4f6; --card: #fff; --text: #1f2937; --muted: #4b5563; --line: #e5e7eb;
  --link: #1d4ed8; }
@media (prefers-color-scheme: dark) { :root { --page: #0f1216; --card: #1b2027; --text: #e5e7eb; --muted: #a7b0bd;
  --line: #343b46; --link: #93b4ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 3rem; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
a { color: var(--link); }
h1 { margin: 0; font-size: 1.5rem; overflow-wrap: anywhere; }
nav { margin-bottom: .5rem; }
h2 { margin: 1.5rem 0 .5rem; font-size: 1rem; }
p { margin: 0 0 1rem; color: var(--muted); }
header { display: flex; flex-wrap: wrap; gap: .75rem 1rem; align-items: center; justify-content: space-between;
  margin-bottom: 1rem; }
form { display: flex; flex-wrap: wrap; gap: .5rem; align-items: end; margin-bottom: 1rem; }
label { display: grid; gap: .25rem; flex: 1 1 14rem; font-size: .875rem; color: var(--muted); }
input, button { font: inherit; min-height: 2.75rem; padding: 0 .875rem; border: 1px solid #6b7280; border-radius: .5rem;
  background: var(--card); color: var(--text); }
button { cursor: pointer; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
ol, .card { margin: 0; padding: 0; list-style: none; background: var(--card); border: 1px solid var(--line);
  border-radius: .75rem; overflow: hidden; }
li + li { border-top: 1px solid var(--line); }
li a { display: grid; grid-template-columns: 1fr auto; gap: 0 1rem; padding: .75rem 1rem; color: inherit;
  text-decoration: none; }
li a:hover strong { text-decoration: underline; }
li a:focus-visible { outline-offset: -3px; }
li strong, li span { overflow-wrap: anywhere; }
li span { grid-row: 2; color: var(--muted); }
time { color: var(--muted); font-size: .875rem; white-space: nowrap; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1rem; margin: 1rem 0 0; }
dt { color: var(--muted); }
dd { margin: 0; overflow-wrap: anywhere; }
iframe { display: block; width: 100%; height: 50rem; max-height: 85vh; border: 0; background: #fff; }
pre { margin: 0; padding: 1rem; white-space: pre-wrap; overflow-wrap: anywhere; font: .875rem/1.6 ui-monospace, monospace; }
@media (max-width: 30rem) { li a { grid-template-columns: 1fr; } li span { grid-row: auto; } }
`

/** Empties the mailbox. A form cannot send DELETE, and other sites' forms could send a POST. */
export const SCRIPT = `
const button = document.getElementById('clear')
button?.addEventListener('click', async () => {
  button.disabled = true
  const answer = await fetch('/mailbox/messages', { method: 'DELETE' }).catch(() => undefined)
  if (answer?.ok) return location.assign('/mailbox')
  button.disabled = false
  document.getElementById('status').textContent = 'The mailbox could not be emptied.'
})
`

const page = (title: string, main: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)} – Muster mailbox</title>
<style>${STYLE}</style>
</head>
<body>
${main}
<script>${SCRIPT}</script>
</body>
</html>
`

/** `2026-12-01 10:00:00 UTC`, readable by machines too. */
function timeElement(time: Date): string {
  const iso = time.toISOString()
  return `<time datetime="${iso}">${iso.slice(0, 19).replace('T', ' ')} UTC</time>`
}

/** @param messages newest first, at most `limit` */
export function listPage(messages: MailboxMessage[], query: { to: string | undefined; limit: number }): string {
  const rows = messages.map(
    ({ id, to, subject, createdAt }) =>
      `<li><a href="/mailbox/${id}"><strong>${escapeHtml(subject)}</strong>
<span>to ${escapeHtml(to)}</span>${timeElement(createdAt)}</a></li>`
  )
  return page(
    query.to ? `Messages to ${query.to}` : 'Messages',
    `<header><h1>Mailbox</h1><button id="clear" type="button">Empty the mailbox</button></header>
<main>
<p id="status" role="status">${escapeHtml(summaryOf(messages.length, query))}</p>
<form action="/mailbox" method="get" role="search">
<label>Only to this address<input type="email" name="to" value="${escapeHtml(query.to ?? '')}" autocomplete="off"></label>
<button type="submit">Show</button>
</form>
${rows.length > 0 ? `<ol>\n${rows.join('\n')}\n</ol>` : ''}
</main>`
  )
}

function summaryOf(count: number, { to, limit }: { to: string | undefined; limit: number }): string {
  const whom = to ? ` to ${to}` : ''
  if (count === 0) {
    return to ? `There is no message${whom}.` : 'Nothing yet. No SMTP_URL is set, so mails are kept here, not sent.'
  }
  if (count === limit) return `The newest ${count} messages${whom}. No SMTP_URL is set, so they were not sent.`
  const messages = count === 1 ? 'One message' : `${count} messages`
  return `${messages}${whom}. No SMTP_URL is set, so mails are kept here, not sent.`
}

export function messagePage(message: MailboxMessage): string {
  const { id, subject, to, messageId, createdAt, text } = message
  return page(
    subject,
    `<nav aria-label="Mailbox"><a href="/mailbox">All messages</a></nav>
<main>
<h1>${escapeHtml(subject)}</h1>
<dl>
<dt>To</dt><dd>${escapeHtml(to)}</dd>
<dt>Time</dt><dd>${timeElement(createdAt)}</dd>
<dt>Message-ID</dt><dd>${escapeHtml(messageId)}</dd>
</dl>
<h2>HTML</h2>
<div class="card"><iframe src="/mailbox/${id}/html" title="HTML body"
sandbox="allow-popups allow-popups-to-escape-sandbox"></iframe></div>
<h2>Plain text</h2>
<div class="card"><pre>${withLinks(text)}</pre></div>
</main>`
  )
}

/** Escapes a plain text and turns its http(s) URLs into links. */
function withLinks(text: string): string {
  return text
    .split(/(https?:\/\/[^\s<>"']+)/)
    .map((piece, index) => {
      const shown = escapeHtml(piece)
      return index % 2 === 1 ? `<a href="${shown}" target="_blank" rel="noopener noreferrer">${shown}</a>` : shown
    })
    .join('')
}
