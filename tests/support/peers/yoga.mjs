// graphql-yoga: APQ=1 keeps persisted queries, BATCH=1 takes batches. Each request is counted at /stats.
import { createServer } from 'node:http';
import { GraphQLError } from 'graphql';
import { createSchema, createYoga } from 'graphql-yoga';
import { useAPQ } from '@graphql-yoga/plugin-apq';
import { useDeferStream } from '@graphql-yoga/plugin-defer-stream';
import { resolvers, typeDefs, counted } from './schema.mjs';

const yoga = createYoga({
  schema: createSchema({
    typeDefs: `${typeDefs}
      scalar File
      extend type Mutation { upload(file: File!): String! uploads(files: [File!]!): [String!]! }`,
    resolvers: resolvers(GraphQLError, {
      upload: async (_, { file }) => `${file.name}: ${await file.text()}`,
      uploads: async (_, { files }) => Promise.all(files.map((file) => file.text())),
    }),
  }),
  context: ({ request }) => ({ authorization: request.headers.get('authorization') }),
  plugins: [useDeferStream(), ...(process.env.APQ ? [useAPQ()] : [])],
  batching: Boolean(process.env.BATCH),
  maskedErrors: false,
  graphiql: false,
  logging: false,
});

createServer(counted(yoga)).listen(Number(process.env.PORT), '127.0.0.1');
