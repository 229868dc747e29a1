// Cuts GitHub's own description of its API to the calls by which reports are posted, and takes its examples as the
// objects that a pretended GitHub answers with.
//
//   node github_api.mjs FOLDER-WITH-NODE_MODULES OUTPUT-FOLDER
import { readFileSync, writeFileSync } from 'node:fs'

const [folder, output] = process.argv.slice(2)
const file = `${folder}/node_modules/@octokit/openapi/generated/api.github.com.deref.json`
const description = JSON.parse(readFileSync(file, 'utf8'))
const REPOSITORY = '/repos/{owner}/{repo}'
const PATHS = [
  '/app',
  '/app/installations/{installation_id}/access_tokens',
  '/user',
  `${REPOSITORY}/installation`,
  `${REPOSITORY}/pulls/{pull_number}`,
  `${REPOSITORY}/check-runs`,
  `${REPOSITORY}/check-runs/{check_run_id}`,
  `${REPOSITORY}/commits/{ref}/check-runs`,
  `${REPOSITORY}/commits/{ref}/status`,
  `${REPOSITORY}/statuses/{sha}`,
  `${REPOSITORY}/issues/{issue_number}/comments`,
  `${REPOSITORY}/issues/comments/{comment_id}`,
]

function example(path, method, status) {
  const content = description.paths[path][method].responses[status].content['application/json']
  return content.example ?? Object.values(content.examples)[0].value
}

const paths = Object.fromEntries(PATHS.map((path) => [path, description.paths[path]]))
writeFileSync(`${output}/github.json`, JSON.stringify({ openapi: description.openapi, info: description.info, paths }))
writeFileSync(
  `${output}/templates.json`,
  JSON.stringify({
    app: example('/app', 'get', '200'),
    check: example(`${REPOSITORY}/check-runs/{check_run_id}`, 'get', '200'),
    combined: example(`${REPOSITORY}/commits/{ref}/status`, 'get', '200'),
    comment: example(`${REPOSITORY}/issues/comments/{comment_id}`, 'get', '200'),
    installation: example(`${REPOSITORY}/installation`, 'get', '200'),
    // The team of the example lacks a field that its schema requires.
    pull: { ...example(`${REPOSITORY}/pulls/{pull_number}`, 'get', '200'), requested_teams: [] },
    status: example(`${REPOSITORY}/statuses/{sha}`, 'post', '201'),
    user: example('/user', 'get', '200'),
  }),
)
