"""The companion package of the course: where each chapter's code is.

A chapter is named as its notebook; all use ``assignments``, most ``figures``.

    background                  costs, pretrained
    numbers_that_learn          data
    language_models             text, data
    language_models_at_work     text, data
    preprocessing               text, data
    self_attention_mathematics  attention, pretrained
    self_attention_class        attention
    transformer                 attention, model, training, pretrained, studies.ablation
    training                    model, generation, training, studies.ablation, studies.ladder,
                                studies.speedrun
    training_on_gpu             text, data, costs, model, training
    scaling                     model, training, studies.power_law, studies.scaling
    evaluation                  text, data, evaluation, model, training, pretrained,
                                studies.messages, studies.questions, studies.reviews
    machine_translation         text, data, evaluation, attention, model, generation, training,
                                studies.messages, studies.translation, studies.translation_llm,
                                studies.translator
    dialogue                    data, evaluation, model, generation, training, pretrained,
                                studies.dialogue, chat
    text_generation             data, evaluation, model, generation, pretrained, studies.ladder,
                                studies.plays
    tools                       data, evaluation, attention, generation, training, pretrained
    post_training               evaluation, posttraining, studies.answering, studies.preferences,
                                studies.raters, studies.rewards
    retrieval_and_tools         generation, pretrained, agent, studies.retrieval
    compute                     data, costs, evaluation, model, training, pretrained,
                                efficiency, studies.compute, studies.ladder
    privacy                     text, data, evaluation, model, generation, pretrained, privacy,
                                studies.memorization
    interpretability            pretrained, interpret, studies.features, studies.induction
    questions                   data, costs, pretrained

Imports go down one list, which ``tests/test_imports.py`` holds; nothing is imported here.
"""

__version__ = "0.1.0"
