// The Lua of redis-nodes.ts, each as one atomic step. All keys of one node carry its name as hash tag, so that a cluster has
// them in one place. Requests expire by the clock of the server that has the stream: clocks of nodes may differ.

/** KEYS: name. ARGV: instance, milliseconds. 1 when the name is ours from now on. */
export const HOLD_NAME: string = `
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`;

/** KEYS: times, texts. ARGV: now, most, lifetime of both keys, then id, until, text of each entry. */
export const PUT: string = `
for n = 4, #ARGV, 3 do
  redis.call('ZADD', KEYS[1], ARGV[n + 1], ARGV[n])
  redis.call('HSET', KEYS[2], ARGV[n], ARGV[n + 1] .. ':' .. ARGV[n + 2])
end
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 1000)
for _, id in ipairs(gone) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
end
local over = math.min(1000, redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[2]))
if over > 0 then
  local oldest = redis.call('ZPOPMIN', KEYS[1], over)
  for n = 1, #oldest, 2 do redis.call('HDEL', KEYS[2], oldest[n]) end
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
`;

/** KEYS: times, texts. ARGV: ids. */
export const REMOVE: string = `
redis.call('ZREM', KEYS[1], unpack(ARGV))
redis.call('HDEL', KEYS[2], unpack(ARGV))
return 1
`;

/** KEYS: stream. ARGV: text, ttl, most, lifetime of the stream. The number of the request; false when too many wait. */
export const SEND: string = `
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[3]) then return false end
local number = redis.call('XADD', KEYS[1], '*', 'ttl', ARGV[2], 'text', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return number
`;

/** KEYS: stream. ARGV: group, number. 1 when nobody had taken the request, and it is gone. */
export const WITHDRAW: string = `
local taken = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)
if not taken.err and #taken > 0 then return 0 end
return redis.call('XDEL', KEYS[1], ARGV[2])
`;

/**
 * KEYS: stream. ARGV: group, consumer, milliseconds that make a request abandoned ("" = new ones), grace of those after their
 * expiry, idleness after which a consumer is forgotten. number and text, or false.
 */
export const NEXT: string = `
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local function read()
  if ARGV[3] == '' then
    local r = redis.pcall('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', 1, 'STREAMS', KEYS[1], '>')
    if r and r.err then
      redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0')
      r = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', 1, 'STREAMS', KEYS[1], '>')
    end
    return r and r[1] and r[1][2][1]
  end
  local r = redis.pcall('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], '0-0', 'COUNT', 1)
  if r.err then return false end
  return r[2][1]
end
local grace = 0
if ARGV[3] ~= '' then
  grace = tonumber(ARGV[4])
  local c = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
  if not c.err then
    for _, one in ipairs(c) do
      if one[6] > tonumber(ARGV[5]) and one[4] == 0 then
        redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], one[2])
      end
    end
  end
end
for _ = 1, 20 do
  local entry = read()
  if not entry then return false end
  local f = entry[2]
  local born = tonumber(string.match(entry[1], '^%d+'))
  if f and f[2] and f[4] and born + (tonumber(f[2]) or 0) + grace >= now then return {entry[1], f[4]} end
  redis.call('XACK', KEYS[1], ARGV[1], entry[1])
  redis.call('XDEL', KEYS[1], entry[1])
end
return false
`;

/** KEYS: stream, answer. ARGV: group, number, text, lifetime. */
export const DONE: string = `
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
return 1
`;
