// What a browser loads before the page is shown, read from the built files.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import { test } from 'tap'
import { ensureBuilt, WEB_DIST } from '../../client/web/build.ts'

const MAX_SCRIPT_BYTES = 200_000

test('the first load', { timeout: 120_000 }, async (t) => {
  await ensureBuilt()
  const entry = readFileSync(join(WEB_DIST, 'index.html'), 'utf8')

  t.test('is less than 200 kB of compressed script', async (t) => {
    const loaded = staticScripts(entry)
    const bytes = loaded.reduce((sum, file) => sum + brotliCompressSync(readFileSync(join(WEB_DIST, file))).length, 0)
    t.ok(bytes < MAX_SCRIPT_BYTES, `${bytes} bytes`)
  })

  t.test('with the list of people is less than 200 kB, too', async (t) => {
    const page = globSync('assets/users-*.js', { cwd: WEB_DIST })[0]!
    const loaded = staticScripts(`${entry}"/${page}"`)
    t.ok(loaded.length > 2, 'the entry, the page and what it imports')
    const bytes = loaded.reduce((sum, file) => sum + brotliCompressSync(readFileSync(join(WEB_DIST, file))).length, 0)
    t.ok(bytes < MAX_SCRIPT_BYTES, `${bytes} bytes`)
  })

  t.test('has no script or style of its own in the document', async (t) => {
    t.notMatch(entry, /<script(?![^>]*\ssrc=)/)
    t.notMatch(entry, /<style|\sstyle=|\son\w+=/)
    t.match(entry, '__CSP_NONCE__', 'the place of the nonce is there for the server to fill')
  })

  t.test('leaves out the word lists of the password’s strength', async (t) => {
    const hasWords = (file: string) => readFileSync(join(WEB_DIST, file), 'utf8').includes('qwertyuiop')
    t.same(staticScripts(entry).filter(hasWords), [])
    t.ok(globSync('assets/*.js', { cwd: WEB_DIST }).some(hasWords), 'another file has them')
  })
})

/** The scripts that the document names, and those that they import before they run. */
function staticScripts(html: string): string[] {
  const found = new Set<string>()
  const waiting = [...html.matchAll(/"\/(assets\/[^"]+\.js)"/g)].map(([, file]) => file!)
  while (waiting.length > 0) {
    const file = waiting.pop()!
    if (found.has(file)) continue
    found.add(file)
    const code = readFileSync(join(WEB_DIST, file), 'utf8')
    for (const [, name] of code.matchAll(/(?:from|import)\s*["'`]\.\/([^"'`]+\.js)["'`]/g))
      waiting.push(`assets/${name}`)
  }
  return [...found]
}
