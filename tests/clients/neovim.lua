-- What tests/clients/neovim.sh has Neovim do.

local function fail(why)
  io.stderr:write('FAILED: ' .. why .. '\n')
  vim.cmd('cquit 1')
end

local function say(what) io.stdout:write('ok: ' .. what .. '\n') end

local function lines() return vim.api.nvim_buf_get_lines(0, 0, -1, false) end

local function await(what, condition)
  if not vim.wait(120000, condition, 50) then
    fail(what .. ' did not happen; diagnostics: ' .. vim.inspect(vim.diagnostic.get(0)))
  end
end

local function about(word)
  for _, one in ipairs(vim.diagnostic.get(0)) do
    if one.message:find(word, 1, true) then return one end
  end
end

local ok, err = pcall(function()
  local id = vim.lsp.start_client({
    name = 'electroscope',
    cmd = { vim.env.ELECTROSCOPE, 'lsp' },
    root_dir = vim.fn.getcwd(),
    -- All words are told, so that those of the test are whatever the models think of them.
    init_options = { lens = 'errors', threshold = 0.02 },
  })
  vim.bo.filetype = 'markdown'
  vim.lsp.buf_attach_client(0, id)
  await('a diagnostic', function() return about('recieved') end)
  say('diagnostics appear: ' .. about('recieved').message)

  -- The code actions as an editor's user takes them, by title.
  local function act(word, title)
    local one = about(word)
    local at = function(line, column) return { line = line, character = column } end
    local params = {
      textDocument = vim.lsp.util.make_text_document_params(),
      range = { start = at(one.lnum, one.col), ['end'] = at(one.end_lnum, one.end_col) },
      context = { diagnostics = {} },
    }
    local answers = vim.lsp.buf_request_sync(0, 'textDocument/codeAction', params, 120000)
    local titles = {}
    for _, action in ipairs(answers[id].result or {}) do
      table.insert(titles, action.title)
      if action.title == title then
        vim.lsp.buf.execute_command(action.command)
        return
      end
    end
    error('no action ' .. title .. ' among ' .. vim.inspect(titles))
  end

  act('recieved', 'Replace “recieved” with “received”')
  await('the replacement', function()
    return lines()[1] == 'The committee received the letter in the morning.'
  end)
  say('a code action changes the buffer')
  await('the diagnostic to go', function() return not about('recieved') end)
  say('the diagnostic is gone without a save')

  await('the other diagnostic', function() return about('definately') end)
  act('definately', 'Add “definately” to the project dictionary')
  await('the diagnostic to go', function() return not about('definately') end)
  local words = table.concat(vim.fn.readfile('.electroscope/dictionary.txt'), ',')
  if words ~= 'definately' then error('the dictionary has ' .. words) end
  say('the dictionary grows, and the word is flagged no more')

  vim.lsp.stop_client(id)
  await('the end of the server', function() return vim.lsp.client_is_stopped(id) end)
  say('the server ends')
end)
if not ok then fail(tostring(err)) else vim.cmd('qall!') end
