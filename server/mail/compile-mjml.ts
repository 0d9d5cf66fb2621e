// A separate program: MJML files in, HTML out. Once imported, MJML holds about 100 MB for good, so the server runs this
// in a child process that ends when it is done.
//   node compile-mjml.ts <folder that includes may come from> <file.mjml>…   writes a JSON array of HTML texts
import { readFile } from 'node:fs/promises'
import mjml2html from 'mjml'

const [includePath, ...files] = process.argv.slice(2)

const compiled: string[] = []
for (const file of files) {
  const { html, errors } = await mjml2html(await readFile(file, 'utf8'), {
    filePath: file,
    ignoreIncludes: false,
    includePath,
    // MJML's own fonts come from Google, which would reveal to it who reads which mail
    fonts: {},
    validationLevel: 'strict'
  })
  if (errors.length > 0) throw new Error(`${file}: ${errors.map((error) => error.formattedMessage).join('; ')}`)
  // even in strict mode MJML reports a missing include only in a comment
  if (html.includes('<!-- mj-include')) throw new Error(`${file}: an mj-include is missing or not below ${includePath}`)
  compiled.push(html)
}
process.stdout.write(JSON.stringify(compiled))
