// The mail server of the bench: it takes everything and remembers when it arrived.
import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'

let arrivals: number[] = []
let wanted = Number.POSITIVE_INFINITY

function tell(): void {
  if (arrivals.length < wanted) return
  process.send!(arrivals)
  arrivals = []
  wanted = Number.POSITIVE_INFINITY
}

const server = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS'],
  disableReverseLookup: true,
  onData(stream, _session, done) {
    stream.resume()
    stream.on('end', () => {
      arrivals.push(performance.timeOrigin + performance.now())
      done()
      tell()
    })
  }
})
server.on('error', () => {})
server.listen(0, '127.0.0.1', () => process.send!((server.server.address() as AddressInfo).port))
process.on('message', (count: number) => {
  if (count === 0) arrivals = []
  wanted = count
  tell()
})
process.on('disconnect', () => process.exit(0))
