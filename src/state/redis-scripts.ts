// The Lua that runs inside Redis: the rules of greylist-store.ts and rate-store.ts, each as one atomic step. On one server
// greylist decisions are GREYLIST; on a cluster its three key families live on different nodes, and a GET of the person, CLIENT_STANDS
// (per client) and TRIPLET run in parallel. Times come as arguments, never from the server's clock, but keys expire by it.

/** `i` formats a time: Lua 5.1 would write it with an exponent. */
const COMMON = `
local function i(n) return string.format('%.0f', n) end
local function keep(key, until_, now) redis.call('PEXPIRE', key, i(math.max(1, until_ - now))) end
`;

/**
 * Of a client "accepted counted until". `stands` says that it is on the white-list and refreshes what is old; `count` adds an
 * accepted triplet. `v` is what the key holds, or false.
 */
const CLIENT_FUNCTIONS = `
local function client(v) return string.match(v, '^(%d+) (%d+) (%d+)$') end
local function stands(key, v, now, auto, lifetime, refresh, write)
  if not v then return false end
  local accepted, counted, until_ = client(v)
  if tonumber(until_) <= now or tonumber(accepted) < auto then return false end
  if write and tonumber(until_) < now + lifetime - refresh then
    redis.call('SET', key, accepted .. ' ' .. counted .. ' ' .. i(now + lifetime), 'PX', i(math.max(1, lifetime)))
  end
  return true
end
local function count(key, v, now, every, lifetime)
  local accepted = 0
  if v then
    local known, counted, until_ = client(v)
    if tonumber(until_) > now then
      if math.abs(now - tonumber(counted)) < every then return end
      accepted = tonumber(known)
    end
  end
  local value = string.format('%.0f %.0f %.0f', accepted + 1, now, now + lifetime)
  redis.call('SET', key, value, 'PX', i(math.max(1, lifetime)))
end
`;

/**
 * Of a triplet under one origin "first last attempts passed until text". `weigh` takes what the keys hold from `from` on, one per
 * origin, then that of ANY_ORIGIN, and returns the answer and until when to write it (0: not), as weigh() does. Origins that were
 * written together hold the same text, which is read once.
 */
const TRIPLET_FUNCTIONS = `
local function weigh(values, from, origins, now, delay, window, lifetime, refresh)
  local first, last, attempts, passed, own, any = now, 0, 0, 0, 0, 0
  local before, live
  for n = 1, origins + 1 do
    local v = values[from + n]
    if v and v ~= before then
      local f, l, t, p, u = string.match(v, '^(%d+) (%d+) (%d+) (%d+) (%d+) ')
      before, live = v, tonumber(u) > now
      if live then
        first = math.min(first, tonumber(f))
        last = math.max(last, tonumber(l))
        attempts = math.max(attempts, tonumber(t))
        p = tonumber(p)
        if p > 0 and (passed == 0 or p < passed) then passed = p end
      end
    end
    if v and live then
      if n <= origins then own = own + 1 else any = 1 end
    end
  end
  if own + any == 0 then return 'new', delay, now, 0, 1, now + window end
  if passed > 0 then
    local until_ = now + lifetime
    if own == origins and now - last < refresh then until_ = 0 end
    return 'passed', 0, first, passed, attempts, until_
  end
  if now - first >= delay then return 'accepted', 0, first, now, attempts + 1, now + lifetime end
  return 'early', delay - (now - first), first, 0, attempts + 1, first + window
end
local function put(from, origins, text, first, attempts, passed, until_, now)
  local value = string.format('%.0f %.0f %.0f %.0f %.0f ', first, now, attempts, passed, until_) .. text
  local lives = i(math.max(1, until_ - now))
  for n = from + 1, from + origins do redis.call('SET', KEYS[n], value, 'PX', lives) end
end
local function told(result, missing, first, passed, attempts)
  return string.format('%s %.0f %.0f %.0f %.0f', result, missing, first, passed, attempts)
end
`;

/**
 * Many decisions in one step, one after the other. ARGV: "delay window lifetime auto every refresh", window, then two for each
 * question: whether to write and the numbers of its keys (write, persons, clients, origins) as digits from "0" on, and the record of
 * a triplet that is new now. KEYS for each: [person,] clients…, origins…, any. Returns a text "result missing first passed attempts"
 * for each; of what is new the one word, since the asker knows the rest. Most are: nothing of theirs is taken apart here.
 */
export const GREYLIST = `${COMMON}${CLIENT_FUNCTIONS}${TRIPLET_FUNCTIONS}
local call, window_ = redis.call, ARGV[2]
local function add(from, origins, record)
  for n = from + 1, from + origins do call('SET', KEYS[n], record, 'PX', window_) end
end
local delay, window, lifetime, auto, every, refresh
local function settings()
  delay, window, lifetime, auto, every, refresh = string.match(ARGV[1], '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
  delay, window, lifetime = tonumber(delay), tonumber(window), tonumber(lifetime)
  auto, every, refresh = tonumber(auto), tonumber(every), tonumber(refresh)
end
local function known(k, values, write, persons, clients, origins, record)
  if not delay then settings() end
  local now, text = string.match(record, '^(%d+) %d+ %d+ %d+ %d+ (.*)$')
  now = tonumber(now)
  local from = persons + clients
  local result, missing, first, passed, attempts, until_ =
    weigh(values, from, origins, now, delay, window, lifetime, refresh)
  local spared = false
  if persons == 1 and values[1] and tonumber(values[1]) > now then spared = 'person' end
  if not spared and auto > 0 then
    for n = persons + 1, from do
      if stands(KEYS[k + n], values[n], now, auto, lifetime, refresh, write) then spared = 'client' break end
    end
  end
  if spared then
    if result == 'new' then first, attempts = 0, 0 end
    if result ~= 'passed' then passed = 0 end
    return told(spared, 0, first, passed, attempts)
  end
  if result == 'new' then
    if write then add(k + from, origins, record) end
    return result
  end
  if write and until_ > 0 then
    put(k + from, origins, text, first, attempts, passed, until_, now)
    if result == 'accepted' then
      for n = persons + 1, from do count(KEYS[k + n], values[n], now, every, lifetime) end
    end
  end
  return told(result, missing, first, passed, attempts)
end
local k, answers = 0, {}
for a = 3, #ARGV, 2 do
  local write, persons, clients, origins = string.byte(ARGV[a], 1, 4)
  write, persons, clients, origins = write == 49, persons - 48, clients - 48, origins - 48
  local to = k + persons + clients + origins + 1
  local values = call('MGET', unpack(KEYS, k + 1, to))
  local any = false
  for n = 1, to - k do any = any or values[n] end
  if any then
    answers[#answers + 1] = known(k, values, write, persons, clients, origins, ARGV[a + 1])
  else
    if write then add(k + persons + clients, origins, ARGV[a + 1]) end
    answers[#answers + 1] = 'new'
  end
  k = to
end
return answers
`;

/** KEYS: origins…, any. ARGV: now delay window lifetime refresh write text. For a cluster. */
export const TRIPLET = `${COMMON}${TRIPLET_FUNCTIONS}
local now, origins = tonumber(ARGV[1]), #KEYS - 1
local values = redis.call('MGET', unpack(KEYS))
local result, missing, first, passed, attempts, until_ =
  weigh(values, 0, origins, now, tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
if ARGV[6] == '1' and until_ > 0 then put(0, origins, ARGV[7], first, attempts, passed, until_, now) end
return told(result, missing, first, passed, attempts)
`;

/** KEYS: a client. ARGV: now auto lifetime refresh write. 1 when it is on the white-list. For a cluster. */
export const CLIENT_STANDS = `${COMMON}${CLIENT_FUNCTIONS}
local now, auto, lifetime, refresh = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if stands(KEYS[1], redis.call('GET', KEYS[1]), now, auto, lifetime, refresh, ARGV[5] == '1') then return 1 end
return 0
`;

/** KEYS: a client. ARGV: now every lifetime. For a cluster, after a triplet was accepted. */
export const CLIENT_COUNT = `${COMMON}${CLIENT_FUNCTIONS}
count(KEYS[1], redis.call('GET', KEYS[1]), tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))
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
