import { connect, createServer } from 'node:net'

/** `node forward.ts <address> <socket>`: lets a socket of this machine be reached at an address of it, and prints the port. A process of its own, since tests wait for programs without looking at their own connections. */
const [address, socket = ''] = process.argv.slice(2)

const server = createServer((inside) => {
  const outside = connect(socket)
  inside.pipe(outside).pipe(inside)
  inside.on('error', () => outside.destroy()).once('close', () => outside.destroy())
  outside.on('error', () => inside.destroy()).once('close', () => inside.destroy())
})
server.listen(0, address, () => {
  const at = server.address()
  process.stdout.write(`${typeof at === 'object' && at ? at.port : ''}\n`)
})
