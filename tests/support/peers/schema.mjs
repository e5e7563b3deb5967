// What all GraphQL servers of the tests serve.
export const typeDefs = `
  type User { id: ID! name: String! posts: [Post!]! }
  type Post { title: String! }
  type Query {
    user(id: ID!): User
    users: [User!]!
    fail: String
    failNonNull: String!
    coded(code: String!, seconds: Float): String
    who: String
  }
  type Mutation { count(by: Int = 1): Int! failAfter: Int! }
  type Subscription { countdown(from: Int!): Int! }
`;

const names = ['Ada', 'Grace', 'Edsger'];
const user = (id) => ({ id, name: names[Number(id)], posts: [{ title: `of ${names[Number(id)]}` }] });
let count = 0;

export const resolvers = (GraphQLError, mutations = {}) => ({
  Query: {
    user: (_, { id }) => (names[Number(id)] ? user(id) : null),
    users: () => names.map((_, id) => user(String(id))),
    fail: () => { throw new GraphQLError('it failed'); },
    failNonNull: () => { throw new GraphQLError('it failed'); },
    coded: (_, { code, seconds }) => {
      throw new GraphQLError('coded', { extensions: { code, ...(seconds == null ? {} : { retryAfter: seconds }) } });
    },
    who: (_, __, { authorization }) => {
      if (authorization !== 'Bearer good') {
        throw new GraphQLError('who are you?', { extensions: { code: 'UNAUTHENTICATED' } });
      }
      return 'you';
    },
  },
  Mutation: {
    count: (_, { by }) => (count += by),
    failAfter: () => { count += 1; throw new GraphQLError('too late', { extensions: { code: 'UNAUTHENTICATED' } }); },
    ...mutations,
  },
  Subscription: {
    countdown: {
      subscribe: async function* (_, { from }) {
        for (let left = from; left >= 0; left -= 1) yield { countdown: left };
      },
    },
  },
});

// Counts requests: /stats says how many there were, and what the last ones were sent with.
export const counted = (handler) => {
  const requests = [];
  return (request, response) => {
    if (request.url === '/stats') {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(requests));
      return;
    }
    if (!request.url.startsWith('/graphql')) {
      response.statusCode = 404;
      response.end('not found');
      return;
    }
    requests.push({ method: request.method, url: request.url, headers: request.headers });
    handler(request, response);
  };
};
