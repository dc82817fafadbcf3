// The Lua that runs inside Redis: the rules of greylist-store.ts and rate-store.ts, each as one atomic step. On one server
// greylist decisions are GREYLIST; on a cluster its three key families live on different nodes, and PERSON, CLIENTS (per client)
// and TRIPLET run in parallel. Times come as arguments, never from the server's clock, but keys expire by it.

/** `i` formats a time: Lua 5.1 would write it with an exponent. */
const COMMON = `
local function i(n) return string.format('%.0f', n) end
local function keep(key, until_, now) redis.call('PEXPIRE', key, i(math.max(1, until_ - now))) end
`;

const PERSON_FUNCTION = `
local function person(key, now)
  local u = redis.call('GET', key)
  return u and tonumber(u) > now
end
`;

/** `stands` says that a client is on the white-list and refreshes what is old; `count` adds an accepted triplet. */
const CLIENT_FUNCTIONS = `
local function stands(key, now, auto, lifetime, refresh, write)
  local v = redis.call('HMGET', key, 'a', 'u')
  if not v[1] or tonumber(v[2]) <= now or tonumber(v[1]) < auto then return false end
  if write and tonumber(v[2]) < now + lifetime - refresh then
    redis.call('HSET', key, 'u', i(now + lifetime))
    keep(key, now + lifetime, now)
  end
  return true
end
local function count(key, name, now, every, lifetime)
  local v = redis.call('HMGET', key, 'a', 'c', 'u')
  local accepted = 0
  if v[1] and tonumber(v[3]) > now then
    if math.abs(now - tonumber(v[2])) < every then return end
    accepted = tonumber(v[1])
  end
  redis.call('HSET', key, 'a', i(accepted + 1), 'c', i(now), 'u', i(now + lifetime), 'n', name)
  keep(key, now + lifetime, now)
end
`;

/** keys: one per origin, then that of ANY_ORIGIN. Returns the answer and what to write, as weigh() does. */
const TRIPLET_FUNCTIONS = `
local function weigh(keys, now, delay, window, lifetime, refresh)
  local first, last, attempts, passed, own, any = now, 0, 0, 0, 0, 0
  for n, key in ipairs(keys) do
    local v = redis.call('HMGET', key, 'f', 'l', 'n', 'p', 'u')
    if v[1] and tonumber(v[5]) > now then
      if n < #keys then own = own + 1 else any = 1 end
      first = math.min(first, tonumber(v[1]))
      last = math.max(last, tonumber(v[2]))
      attempts = math.max(attempts, tonumber(v[3]))
      local p = tonumber(v[4])
      if p > 0 and (passed == 0 or p < passed) then passed = p end
    end
  end
  if own + any == 0 then return 'new', delay, now, 0, 1, now + window end
  if passed > 0 then
    local until_ = now + lifetime
    if own == #keys - 1 and now - last < refresh then until_ = 0 end
    return 'passed', 0, first, passed, attempts, until_
  end
  if now - first >= delay then return 'accepted', 0, first, now, attempts + 1, now + lifetime end
  return 'early', delay - (now - first), first, 0, attempts + 1, first + window
end
local function put(keys, texts, first, attempts, passed, until_, now)
  for n = 1, #keys - 1 do
    redis.call('HSET', keys[n], 'f', i(first), 'l', i(now), 'n', i(attempts), 'p', i(passed), 'u', i(until_), 't', texts[n])
    keep(keys[n], until_, now)
  end
end
local function told(result, missing, first, passed, attempts)
  return {result, i(missing), i(first), i(passed), i(attempts)}
end
`;

/**
 * Many decisions in one step, one after the other. ARGV: delay window lifetime auto every refresh, then for each question: now
 * write, number of person keys, of clients, of origins, names of the clients, texts of the origins. KEYS for each: [person,]
 * clients…, origins…, any. Returns one flat list, five values for each question.
 */
export const GREYLIST = `${COMMON}${PERSON_FUNCTION}${CLIENT_FUNCTIONS}${TRIPLET_FUNCTIONS}
local delay, window, lifetime = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local auto, every, refresh = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local function decide(k, a, now, write, persons, clients, origins)
  local keys, texts = {}, {}
  for n = 1, origins + 1 do keys[n] = KEYS[k + persons + clients + n] end
  for n = 1, origins do texts[n] = ARGV[a + clients + n] end
  local result, missing, first, passed, attempts, until_ = weigh(keys, now, delay, window, lifetime, refresh)
  local spared = false
  if persons == 1 and person(KEYS[k + 1], now) then spared = 'person' end
  if not spared and auto > 0 then
    for n = 1, clients do
      if stands(KEYS[k + persons + n], now, auto, lifetime, refresh, write) then spared = 'client' break end
    end
  end
  if spared then
    if result == 'new' then first, attempts = 0, 0 end
    if result ~= 'passed' then passed = 0 end
    return spared, 0, first, passed, attempts
  end
  if write and until_ > 0 then
    put(keys, texts, first, attempts, passed, until_, now)
    if result == 'accepted' then
      for n = 1, clients do count(KEYS[k + persons + n], ARGV[a + n], now, every, lifetime) end
    end
  end
  return result, missing, first, passed, attempts
end
local k, a, answers = 0, 6, {}
while a < #ARGV do
  local now, write = tonumber(ARGV[a + 1]), ARGV[a + 2] == '1'
  local persons, clients, origins = tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5])
  local result, missing, first, passed, attempts = decide(k, a + 5, now, write, persons, clients, origins)
  local n = #answers
  answers[n + 1], answers[n + 2], answers[n + 3] = result, i(missing), i(first)
  answers[n + 4], answers[n + 5] = i(passed), i(attempts)
  k, a = k + persons + clients + origins + 1, a + 5 + clients + origins
end
return answers
`;

/** KEYS: origins…, any. ARGV: now delay window lifetime refresh write, texts of the origins. For a cluster. */
export const TRIPLET = `${COMMON}${TRIPLET_FUNCTIONS}
local now = tonumber(ARGV[1])
local result, missing, first, passed, attempts, until_ =
  weigh(KEYS, now, tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
if ARGV[6] == '1' and until_ > 0 then
  local texts = {}
  for n = 7, #ARGV do texts[#texts + 1] = ARGV[n] end
  put(KEYS, texts, first, attempts, passed, until_, now)
end
return told(result, missing, first, passed, attempts)
`;

/** KEYS: a client. ARGV: now auto lifetime refresh write. 1 when it is on the white-list. For a cluster. */
export const CLIENT_STANDS = `${COMMON}${CLIENT_FUNCTIONS}
if stands(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == '1') then return 1 end
return 0
`;

/** KEYS: a client. ARGV: name now every lifetime. For a cluster, after a triplet was accepted. */
export const CLIENT_COUNT = `${COMMON}${CLIENT_FUNCTIONS}
count(KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]))
return 0
`;

/** KEYS: the sum, the memory of instances. ARGV: now amount limit period seenFor instance. Returns count and allowed. */
export const TAKE = `${COMMON}
local now, amount, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local instance = ARGV[6]
if instance ~= '' then
  local s = redis.call('HMGET', KEYS[2], 'c', 'a', 'u')
  if s[1] and tonumber(s[3]) > now then return {i(s[1]), s[2]} end
end
local v = redis.call('HMGET', KEYS[1], 'c', 'u')
local used, until_ = 0, now + tonumber(ARGV[4])
if v[1] and tonumber(v[2]) > now then used, until_ = tonumber(v[1]), tonumber(v[2]) end
local allowed = '0'
if used + amount <= limit then
  used = used + amount
  allowed = '1'
  redis.call('HSET', KEYS[1], 'c', i(used), 'u', i(until_))
  keep(KEYS[1], until_, now)
end
if instance ~= '' then
  local seen = now + tonumber(ARGV[5])
  redis.call('HSET', KEYS[2], 'c', i(used), 'a', allowed, 'u', i(seen))
  keep(KEYS[2], seen, now)
end
return {i(used), allowed}
`;

/**
 * KEYS: the memory of this flush, then one sorted set per table. ARGV: names that a table keeps when it has more than twice as
 * many, milliseconds that the flush is remembered, then for each table: its lifetime, number of names, names and counts.
 */
export const ADD_STATS = `
local kept = tonumber(ARGV[1])
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[2]) then return 0 end
local a = 2
for k = 2, #KEYS do
  local lives, names = ARGV[a + 1], tonumber(ARGV[a + 2])
  a = a + 2
  for n = 1, names do
    redis.call('ZINCRBY', KEYS[k], ARGV[a + 2], ARGV[a + 1])
    a = a + 2
  end
  local size = redis.call('ZCARD', KEYS[k])
  if size > 2 * kept then
    local gone, rare = redis.call('ZPOPMIN', KEYS[k], size - kept), 0
    for n = 2, #gone, 2 do rare = rare + tonumber(gone[n]) end
    redis.call('ZINCRBY', KEYS[k], string.format('%.0f', rare), '')
  end
  redis.call('PEXPIRE', KEYS[k], lives)
end
return 1
`;
