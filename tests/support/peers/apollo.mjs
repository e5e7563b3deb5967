// Apollo Server: APQ=0 switches persisted queries off, BATCH=1 takes batches. Each request is counted at /stats.
import { createServer } from 'node:http';
import { ApolloServer, HeaderMap } from '@apollo/server';
import { GraphQLError } from 'graphql';
import { resolvers, typeDefs, counted } from './schema.mjs';

const { Subscription, ...served } = resolvers(GraphQLError);
const apollo = new ApolloServer({
  typeDefs: typeDefs.replace(/type Subscription.*/, ''),
  resolvers: served,
  allowBatchedHttpRequests: Boolean(process.env.BATCH),
  ...(process.env.APQ === '0' ? { persistedQueries: false } : {}),
  logger: { debug() {}, info() {}, warn() {}, error() {} },
});
await apollo.start();

const answer = async (request, response) => {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const text = Buffer.concat(pieces).toString();
  let body = text;
  if ((request.headers['content-type'] ?? '').includes('json')) {
    try {
      body = JSON.parse(text);
    } catch {
      body = {};
    }
  }
  const headers = new HeaderMap();
  for (const [name, value] of Object.entries(request.headers)) headers.set(name, String(value));
  const result = await apollo.executeHTTPGraphQLRequest({
    httpGraphQLRequest: {
      method: request.method, headers, body, search: new URL(request.url, 'http://localhost').search,
    },
    context: async () => ({ authorization: request.headers.authorization }),
  });
  for (const [name, value] of result.headers) response.setHeader(name, value);
  response.statusCode = result.status ?? 200;
  if (result.body.kind === 'complete') {
    response.end(result.body.string);
    return;
  }
  for await (const piece of result.body.asyncIterator) response.write(piece);
  response.end();
};

createServer(counted(answer)).listen(Number(process.env.PORT), '127.0.0.1');
