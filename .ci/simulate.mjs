// Asks a simulator of IAM about each role's policy, as `mlci policy` prints them: what the role was seen, or is
// documented, to call is allowed, and what it must not do is denied. It also refuses actions, resources and condition
// keys that AWS's own reference does not have together.
//
//   node simulate.mjs FOLDER-WITH-NODE_MODULES POLICIES.json CALLS.json
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const [folder, policies, calls] = process.argv.slice(2)
const { runSimulation } = createRequire(`${folder}/`)('@cloud-copilot/iam-simulate')
const read = (file) => JSON.parse(readFileSync(file, 'utf8'))
const documents = read(policies)
const ACCOUNT = '000000000000'

async function decision(role, policy, [action, resource, context]) {
  const simulated = await runSimulation(
    {
      request: {
        action,
        resource: { resource, accountId: ACCOUNT },
        principal: `arn:aws:sts::${ACCOUNT}:assumed-role/${role}/session`,
        contextVariables: context,
      },
      identityPolicies: [{ name: role, policy }],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
    },
    {},
  )
  if (simulated.resultType === 'error') return `no request: ${JSON.stringify(simulated.errors)}`
  const ignored = simulated.result?.ignoredContextKeys ?? []
  if (ignored.length) return `no request: ${action} has no condition key ${ignored}`
  return simulated.overallResult === 'Allowed' ? 'allowed' : 'denied'
}

let count = 0
let wrong = 0
for (const [role, { seen, unseen, denied }] of Object.entries(read(calls))) {
  const allowed = [...seen, ...Object.values(unseen).flat()]
  for (const [wanted, list] of Object.entries({ allowed, denied })) {
    for (const call of list) {
      const found = await decision(role, documents[role], call)
      count += 1
      if (found === wanted) continue
      wrong += 1
      console.log(`${role}: ${JSON.stringify(call)}: should be ${wanted}, and is ${found}`)
    }
  }
}
console.log(`${count} calls, ${wrong} decided otherwise`)
process.exit(wrong || !count ? 1 : 0)
