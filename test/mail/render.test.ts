import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { MAIL_TEMPLATES } from '../../db/schema.ts'
import { compileTemplates, formatInstant, render, type Templates } from '../../server/mail/render.ts'
import {
  type InvitationData,
  MailError,
  type NoticeData,
  type PasswordResetData,
  TEMPLATE_NAMES,
  type TemplateData,
  type TemplateName
} from '../../server/mail/types.ts'

const TEMPLATES_FOLDER = join(import.meta.dirname, '../../templates')

const invitation: InvitationData = {
  inviterName: 'Ada Lovelace',
  tenantName: 'Acme',
  roleName: 'Responder',
  acceptUrl: 'https://acme.muster.test/accept?token=abc&lang=en',
  expiresAt: 'Tuesday, 1 December 2026 at 10:00 UTC',
  email: 'grace@acme.test'
}
const reset: PasswordResetData = {
  tenantName: 'Acme',
  resetUrl: 'https://acme.muster.test/reset?token=abc',
  expiresInMinutes: 30,
  email: 'grace@acme.test'
}
const notice: NoticeData = {
  tenantName: 'Acme',
  subject: 'The token of Okta expires in 7 days',
  message: 'When it has expired, Okta is refused, and joiners and leavers no longer arrive here.',
  detail: 'It was last used from 192.0.2.7.',
  actionName: 'Rotate the token',
  actionUrl: 'https://acme.muster.test/provisioning?from=mail&lang=en',
  email: 'grace@acme.test'
}
/** The value that is the link of each template. */
const LINKS = {
  invitation: 'acceptUrl',
  'welcome-back': 'acceptUrl',
  'password-reset': 'resetUrl',
  'first-password': 'resetUrl',
  notice: 'actionUrl'
}
const SAMPLES = {
  invitation,
  'welcome-back': invitation,
  'password-reset': reset,
  'first-password': reset,
  notice
}
const linkOf = (name: TemplateName) => (SAMPLES[name] as unknown as Record<string, string>)[LINKS[name]]!

function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'muster-mail-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Renders a template with data that fits it. */
const renderAny = (templates: Templates, name: TemplateName, changes: Record<string, unknown> = {}) =>
  render(templates, name, { ...SAMPLES[name], ...changes } as TemplateData[TemplateName])

test('mail templates', async (t) => {
  const templates = await compileTemplates()

  t.test('are those that the database knows', async (t) => {
    const ofOwn = TEMPLATE_NAMES.filter((name) => name !== 'first-password')
    t.same(ofOwn, [...MAIL_TEMPLATES], 'but for what a reset is to somebody without a password')
  })

  t.test('are compiled without loading MJML into this process', async (t) => {
    const loaded = Object.keys(createRequire(import.meta.url).cache)
    t.same(
      loaded.filter((path) => path.includes('mjml')),
      []
    )
  })

  for (const name of TEMPLATE_NAMES) {
    t.test(`${name} fills its subject, HTML and text with every value`, async (t) => {
      const data = { ...SAMPLES[name], ...('expiresInMinutes' in SAMPLES[name] && { expiresInMinutes: '30 minutes' }) }
      const mail = renderAny(templates, name)
      for (const value of Object.values(data) as string[]) {
        t.ok(mail.text.includes(value), `the text has ${value}`)
        t.ok(mail.html.includes(value.replaceAll('&', '&amp;')), `the HTML has ${value}`)
      }
      t.ok(mail.subject.includes('Acme'))
      t.notMatch(mail.subject + mail.html + mail.text, /\{\{|\}\}|undefined|null/)
    })

    t.test(`${name} has a language, a preheader, one button, its whole link, and dark colours`, async (t) => {
      const { html } = renderAny(templates, name)
      const url = linkOf(name).replace('&', '&amp;')
      t.match(html, /<html lang="en" dir="ltr"/)
      t.match(html, /<title>[^<]*Acme[^<]*<\/title>/)
      t.match(html, /display:none;[^>]*>[^<]+</)
      t.equal(html.split(`href="${url}"`).length - 1, 2, 'the button and the plain link')
      t.ok(html.includes(`>${url}</a>`), 'the plain link shows its URL')
      t.ok(html.includes('prefers-color-scheme: dark'))
      t.notMatch(html, /https?:\/\/(?!acme\.muster\.test|www\.w3\.org)/, 'and nothing is loaded from elsewhere')
    })

    t.test(`${name} escapes tags and quotes in its HTML and leaves its text as it is`, async (t) => {
      const nasty = `<script>alert("x")</script>'&amp;`
      const mail = renderAny(templates, name, { tenantName: nasty, senderName: nasty, logoUrl: 'https://l.test/a.png' })
      t.notMatch(mail.html, /<script|"x"/)
      t.ok(mail.html.includes('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&#39;&amp;amp;'))
      t.ok(mail.html.includes('alt="&lt;script&gt;'), 'in attributes too')
      t.ok(mail.text.includes(nasty))
      t.ok(mail.subject.includes(nasty))
    })

    t.test(`${name} does not let a value start a header or a paragraph`, async (t) => {
      const mail = renderAny(templates, name, { tenantName: 'Acme\r\nBcc: all@evil.test\r\n\r\nClick\u2028\u202ehere' })
      t.ok(mail.subject.includes('Acme Bcc: all@evil.test Click here'))
      t.notMatch(mail.subject, /\p{Cc}/u)
      t.notMatch(mail.text, /^(Bcc|Click)/m)
      t.notMatch(mail.html + mail.text, /[\u2028\u202e]/)
    })

    t.test(`${name} shows the tenant’s logo and sender’s name if there are any`, async (t) => {
      const plain = renderAny(templates, name)
      t.notMatch(plain.html, '<img')
      t.match(plain.text, 'Muster sent this message to grace@acme.test')
      const own = renderAny(templates, name, { logoUrl: 'https://acme.test/logo.png', senderName: 'Acme IT' })
      t.match(own.html, '<img src="https://acme.test/logo.png" alt="Acme"')
      t.match(own.html, /Acme IT\s+sent this message/)
      t.match(own.text, 'Acme IT sent this message to grace@acme.test')
      t.notMatch(own.html + own.text, 'Muster sent')
    })

    t.test(`${name} takes only http and https URLs`, async (t) => {
      const field = LINKS[name]
      for (const url of [
        'javascript:alert(1)',
        'data:text/html,x',
        '//evil.test',
        'https://',
        'http:\\\\a',
        'https://a b'
      ]) {
        t.throws(() => renderAny(templates, name, { [field]: url }), { permanent: true, message: field }, url)
        t.throws(() => renderAny(templates, name, { logoUrl: url }), { permanent: true, message: /logoUrl/ }, url)
      }
      t.ok(
        renderAny(templates, name, { [field]: 'https://a.test/"><b>' }).html.includes('https://a.test/%22%3E%3Cb%3E')
      )
    })

    t.test(`${name} refuses a missing or blank value`, async (t) => {
      for (const tenantName of [undefined, '', ' \r\n\t'] as string[]) {
        const error = t.throws(() => renderAny(templates, name, { tenantName }), { message: /tenantName/ })
        t.ok(error instanceof MailError)
      }
    })
  }

  t.test('the mail to somebody who comes back says that a new password comes first', async (t) => {
    const { html, text, subject } = render(templates, 'welcome-back', invitation)
    t.match(subject, 'choose a new password')
    for (const body of [html, text]) {
      t.match(body.replace(/\s+/g, ' '), 'the link first asks you to choose a new password')
      t.match(body.replace(/\s+/g, ' '), 'Your old password no longer works')
    }
  })

  t.test('the password reset says where it was requested, if that is known', async (t) => {
    const known = render(templates, 'password-reset', { ...reset, requestedFrom: '192.0.2.7' })
    t.match(known.html, '192.0.2.7')
    t.match(known.text, 'Asked from:   192.0.2.7\n')
    const unknown = render(templates, 'password-reset', reset)
    t.notMatch(unknown.html + unknown.text, 'Asked from')
  })

  t.test('a duration is given in whole units', async (t) => {
    for (const [expiresInMinutes, shown] of [
      [1, '1 minute'],
      [90, '90 minutes'],
      [60, '1 hour'],
      [1440, '24 hours']
    ] as const) {
      t.match(render(templates, 'password-reset', { ...reset, expiresInMinutes }).text, `once, for ${shown}\n`)
    }
    for (const expiresInMinutes of [0, -5, 1.5, Number.NaN]) {
      t.throws(() => render(templates, 'password-reset', { ...reset, expiresInMinutes }), {
        message: /expiresInMinutes/
      })
    }
  })

  t.test('a very long value is shortened between characters', async (t) => {
    const { subject } = render(templates, 'invitation', { ...invitation, inviterName: 'x'.repeat(10_000) })
    t.equal(subject, `${'x'.repeat(319)}… invited you to Acme`)
    t.ok(render(templates, 'invitation', { ...invitation, inviterName: `Ada \ud83d` }).subject.isWellFormed())
  })
})

test('broken templates stop the start', async (t) => {
  /** The error of compiling a copy in which one file was changed. */
  async function complaint(t: Test, file: string, change: (text: string) => string): Promise<string> {
    const folder = temporaryFolder(t)
    cpSync(TEMPLATES_FOLDER, folder, { recursive: true })
    const path = join(folder, file)
    const before = readFileSync(path, 'utf8')
    const after = change(before)
    t.not(after, before, 'the change is one')
    writeFileSync(path, after)
    return compileTemplates({ folder }).then(
      () => '',
      (error: Error) => error.message
    )
  }
  const cases: [title: string, file: string, change: (text: string) => string, complaint: string | RegExp][] = [
    [
      'an unknown placeholder',
      'invitation/subject.txt',
      (text) => `${text.trim()} {{colour}}\n`,
      'invitation/subject.txt: {{colour}} is no value of this template'
    ],
    [
      "another template's placeholder",
      'password-reset/body.txt',
      (text) => text.replace('{{email}}', '{{inviterName}}'),
      /password-reset\/body.txt: \{\{inviterName\}\} is no value/
    ],
    [
      'a value that is left out of the text',
      'welcome-back/body.txt',
      (text) => text.replaceAll('{{acceptUrl}}', ''),
      'welcome-back/body.txt: acceptUrl is never put in'
    ],
    [
      'a value that is left out of the HTML',
      'invitation/body.mjml',
      (text) => text.replaceAll('{{expiresAt}}', 'soon'),
      'invitation/body.mjml: expiresAt is never put in'
    ],
    [
      'a misspelt placeholder',
      'invitation/body.txt',
      (text) => text.replace('{{email}}', '{{ e-mail }}'),
      /is no placeholder/
    ],
    [
      'an optional value outside of its section',
      'password-reset/body.txt',
      (text) => text.replaceAll(/\{\{[#/]requestedFrom\}\}/g, ''),
      /\{\{requestedFrom\}\} may be missing/
    ],
    [
      'a section left open',
      'shared/footer.mjml',
      (text) => text.replace('{{/senderName}}', ''),
      /closes no section|left open/
    ],
    [
      'a text where a URL belongs',
      'invitation/body.mjml',
      (text) => text.replace('href="{{acceptUrl}}"', 'href="{{tenantName}}"'),
      /\{\{tenantName\}\} is not an http\(s\) URL of its own, as href needs/
    ],
    [
      'a URL that something precedes',
      'invitation/body.mjml',
      (text) => text.replace('href="{{acceptUrl}}"', 'href="x{{acceptUrl}}"'),
      /as href needs/
    ],
    [
      'a value in a style',
      'invitation/body.mjml',
      (text) => text.replace('<strong>{{inviterName}}', '<strong style="color:{{roleName}}">{{inviterName}}'),
      /\{\{roleName\}\} stands in style/
    ],
    [
      'an attribute that MJML does not know',
      'invitation/body.mjml',
      (text) => text.replace('<mj-button ', '<mj-button shape="round" '),
      /Attribute shape is illegal/
    ],
    [
      'an element that MJML does not know',
      'password-reset/body.mjml',
      (text) => text.replace('<mj-divider css-class="line" />', '<mj-ruler />'),
      /mj-ruler/
    ],
    [
      'a missing include',
      'welcome-back/body.mjml',
      (text) => text.replace('shared/footer.mjml', 'shared/end.mjml'),
      /welcome-back\/body\.mjml: an mj-include is missing/
    ]
  ]
  for (const [title, file, change, expected] of cases) {
    t.test(title, async (t) => t.match(await complaint(t, file, change), expected))
  }
})

test('compiled templates are kept', async (t) => {
  const cacheDir = join(temporaryFolder(t), 'not', 'there', 'yet')
  const file = join(cacheDir, 'mail-templates.json')
  const folder = temporaryFolder(t)
  cpSync(TEMPLATES_FOLDER, folder, { recursive: true })
  const first = render(await compileTemplates({ folder, cacheDir }), 'invitation', invitation)

  await t.test('and used again until a file changes that they were made of', async (t) => {
    const { mtimeMs } = statSync(file)
    t.same(render(await compileTemplates({ folder, cacheDir }), 'invitation', invitation), first)
    t.equal(statSync(file).mtimeMs, mtimeMs)
  })

  await t.test('and compiled again when an included file changes', async (t) => {
    const footer = join(folder, 'shared/footer.mjml')
    writeFileSync(footer, readFileSync(footer, 'utf8').replace('Nobody reads replies', 'No one reads replies'))
    const changed = render(await compileTemplates({ folder, cacheDir }), 'invitation', invitation)
    t.match(changed.html, 'No one reads replies')
  })

  await t.test('and compiled again if the kept file is incomplete', async (t) => {
    writeFileSync(file, readFileSync(file, 'utf8').slice(0, 500))
    t.match(render(await compileTemplates({ folder, cacheDir }), 'invitation', invitation).html, 'No one reads replies')
    t.doesNotThrow(() => JSON.parse(readFileSync(file, 'utf8')))
  })

  await t.test('and their folder may be read-only', async (t) => {
    const blocked = join(temporaryFolder(t), 'file')
    writeFileSync(blocked, '')
    t.ok(await compileTemplates({ folder, cacheDir: blocked }))
  })
})

test('formatInstant writes a moment in a time zone', async (t) => {
  const time = new Date('2026-12-01T23:30:00Z')
  t.equal(formatInstant(time), 'Tuesday, 1 December 2026 at 23:30 UTC')
  t.equal(formatInstant(time, 'Europe/Paris'), 'Wednesday, 2 December 2026 at 00:30 CET')
  t.equal(formatInstant(time, 'Mars/Olympus'), formatInstant(time), 'an unknown time zone falls back to UTC')
})
