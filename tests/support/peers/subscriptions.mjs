// graphql-yoga with subscriptions by events, and graphql-ws on the same server. COUNT of a countdown comes every PAUSE ms.
import { createServer } from 'node:http';
import { useServer } from 'graphql-ws/use/ws';
import { createSchema, createYoga } from 'graphql-yoga';
import { useDeferStream } from '@graphql-yoga/plugin-defer-stream';
import { WebSocketServer } from 'ws';

const pause = () => new Promise((done) => setTimeout(done, Number(process.env.PAUSE ?? 0)));
const schema = createSchema({
  typeDefs: `
    type Query { user: User! numbers: [Int!]! }
    type User { name: String! slow: String! }
    type Subscription { countdown(from: Int!): Int! broken: Int! who: String }`,
  resolvers: {
    Query: {
      user: () => ({ name: 'Ada', slow: async () => { await pause(); return 'at last'; } }),
      numbers: async function* () { for (const number of [1, 2, 3]) { await pause(); yield number; } },
    },
    Subscription: {
      countdown: {
        subscribe: async function* (_, { from }) {
          for (let left = from; left >= 0; left -= 1) { yield { countdown: left }; await pause(); }
        },
      },
      broken: {
        subscribe: async function* () { yield { broken: 1 }; yield { broken: 'no number' }; yield { broken: 2 }; },
      },
      who: { subscribe: async function* (_, __, { who }) { yield { who }; } },
    },
  },
});
const yoga = createYoga({
  schema, plugins: [useDeferStream()], graphiql: false, logging: false, maskedErrors: false,
  context: ({ request }) => ({ who: request?.headers.get('authorization') }),
});
const server = createServer(yoga);
if (!process.env.NO_SOCKET) {
  useServer({
    schema,
    context: ({ connectionParams }) => ({ who: connectionParams?.Authorization }),
    onConnect: ({ connectionParams }) => connectionParams?.Authorization !== 'Bearer bad',
  }, new WebSocketServer({ server, path: '/graphql' }));
}
server.listen(Number(process.env.PORT), '127.0.0.1');
