import axios, { type AxiosResponse } from 'axios'
import * as qovery from 'qovery-typescript-axios'
import { ownContract, publishedContract, type ContractCheck } from './contract.ts'

/** The official TypeScript client, unmodified, pointed at a server; every answer it gets is checked against both documents. */
export async function officialClient(apiUrl: string, token: string) {
  const problems: string[] = []
  const checks = [publishedContract(), await ownContract(apiUrl)].filter((one): one is ContractCheck => one !== null)
  const http = axios.create({ headers: { authorization: `Token ${token}` } })
  http.interceptors.response.use((response: AxiosResponse) => {
    const answer = {
      method: response.config.method?.toUpperCase() ?? 'GET',
      path: new URL(response.config.url ?? '', apiUrl).pathname,
      status: response.status,
      body: response.data as unknown,
    }
    for (const check of checks) {
      const problem = check.check(answer)
      if (problem) problems.push(problem)
    }
    return response
  })
  const configuration = new qovery.Configuration({ basePath: apiUrl })
  const make = <T>(Api: new (configuration?: qovery.Configuration, basePath?: string, http?: ReturnType<typeof axios.create>) => T): T =>
    new Api(configuration, apiUrl, http)
  return { make, problems, checks, http }
}
