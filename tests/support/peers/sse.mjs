// graphql-sse on Node's own server, with a subscription that counts down.
import { createServer } from 'node:http';
import { makeExecutableSchema } from '@graphql-tools/schema';
import { createHandler } from 'graphql-sse/lib/use/http';

const schema = makeExecutableSchema({
  typeDefs: 'type Query { a: Int } type Subscription { countdown(from: Int!): Int! }',
  resolvers: {
    Subscription: {
      countdown: {
        subscribe: async function* (_, { from }) {
          for (let left = from; left >= 0; left -= 1) yield { countdown: left };
        },
      },
    },
  },
});
createServer(createHandler({ schema })).listen(Number(process.env.PORT), '127.0.0.1');
