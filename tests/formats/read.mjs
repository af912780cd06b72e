// HAR and TAP, read by programs that others wrote; each must say what the JSON report says.
import { readFileSync } from 'node:fs'
import har from 'har-validator/lib/promise.js'
import { Parser } from 'tap-parser'

const findings = JSON.parse(readFileSync('run.json', 'utf8')).run.findings
await har.har(JSON.parse(readFileSync('run.har', 'utf8')))

let result
const parser = new Parser({ strict: true }, (end) => { result = end })
parser.end(readFileSync('run.tap', 'utf8'))
const mistakes = result.failures.filter((failure) => failure.tapError)
const failed = findings.filter((finding) => ['fail', 'unstable', 'stale', 'blocked', 'error'].includes(finding.verdict))
if (mistakes.length || result.count !== findings.length || result.fail !== failed.length) {
  throw new Error(`TAP: ${JSON.stringify(mistakes.slice(0, 3))} ${result.count} points, ${result.fail} failed, not ${failed.length}`)
}
console.log(`HAR and TAP are read by others: ${result.count} points, ${result.fail} failed`)
